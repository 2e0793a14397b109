// SPDX-License-Identifier: MPL-2.0

// Package decode reads the arguments of a system call from its registers and from the memory of
// the process that makes it.
//
// Nothing here acts: a call is a value, and whatever a process passes gives either a value or
// the error with which the call fails.
package decode
