// SPDX-License-Identifier: MPL-2.0

// Package binfmt has programs of other architectures run, through the emulators that the
// host has registered or that it has installed.
//
// Only Linux has it.
package binfmt
