// SPDX-License-Identifier: MPL-2.0

// Package decode reads the arguments of a system call out of its registers and out of the
// memory of the process that makes it.
//
// Nothing here acts: a call is a value, and whatever a process passes gives one or an
// error that the call fails with.
package decode
