// SPDX-License-Identifier: MPL-2.0

// Package runc runs one command in one sandbox with an OCI runtime (runc or crun), on a
// generated bundle. It is used inside a user namespace, see package userns.
//
// The package knows nothing of stages, layers or images: a root directory is
// prepared by the caller.
//
// Only Linux has it.
package runc
