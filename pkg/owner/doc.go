// SPDX-License-Identifier: MPL-2.0

// Package owner sets and reads what files have besides their content: owner, mode,
// attributes, times, and what a device node is.
//
// A Policy is how that is done in the roots of steps. Kernel asks the kernel. Recorded is
// for a user namespace with one id, in which the kernel knows no other owner: it keeps
// records.
//
// Only Linux has it.
package owner
