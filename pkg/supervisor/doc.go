// SPDX-License-Identifier: MPL-2.0

// Package supervisor runs a step in a user namespace with a single id in such a way that
// its programs see what root with all ids would see.
//
// A filter passes the system calls about owners, modes, devices, credentials and extended
// attributes to a supervisor, which is the first process of the step's namespaces and not
// subject to the filter itself. It answers the calls from a model of credentials (package
// creds) and from records of owners (package record), which are kept until the step's
// layer is made.
//
// It is not a security boundary; the user namespace is. A step differs from one with real
// ids in these respects:
//
//   - Files can be read and written, and processes signalled, by all users of a step; what
//     another user than root writes into a setuid file leaves the bit.
//   - A device of a layer does nothing, and readdir(3) has it as a regular file. A step
//     cannot make one, as in any user namespace.
//   - /proc and SO_PEERCRED tell that every process is root's.
//   - Credentials are those of a process: a single thread cannot have others.
//   - A program that is given other credentials by its file has them from its first call
//     that depends on them, by the file that the kernel has executed. The kernel itself
//     does not know of them: such a program trusts its environment, LD_PRELOAD included.
//   - Securebits and ambient capabilities are refused or without effect.
//   - A step cannot have a supervisor in it (EBUSY), nor openat2 and io_uring (ENOSYS).
//
// Only Linux has it.
package supervisor
