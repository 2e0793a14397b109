// SPDX-License-Identifier: MPL-2.0

// Package callfilter makes the seccomp(2) programs that confine steps: for package chroot
// completely, for an OCI runtime except for the calls that the runtime itself needs.
package callfilter
