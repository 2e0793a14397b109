// SPDX-License-Identifier: MPL-2.0

// Package runc runs one command in one sandbox with an OCI runtime (runc or crun), from a
// generated bundle. It is used inside a user namespace, see package userns.
//
// The package knows nothing about stages, layers or images: the caller prepares the root
// directory.
//
// Only Linux has it.
package runc
