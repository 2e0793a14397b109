// SPDX-License-Identifier: MPL-2.0

// Package compose turns a declared disk and the root file systems of stages into
// a disk.Spec, and writes the disk.
package compose
