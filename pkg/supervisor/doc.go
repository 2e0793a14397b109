// SPDX-License-Identifier: MPL-2.0

// Package supervisor runs a step in a user namespace with a single id so that its programs see
// what root with all ids would see.
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
//   - All users of a step can read and write all files, and signal all processes; writing to a
//     setuid file as a user other than root does not clear the bit.
//   - A device in a layer does nothing, and readdir(3) shows a regular file. A step cannot
//     create one, as in any user namespace.
//   - In /proc and SO_PEERCRED every process belongs to root.
//   - Credentials belong to a process: a single thread cannot have different ones.
//   - A program whose file gives it other credentials has them from its first call that
//     depends on them, according to the file that the kernel has executed. The kernel itself
//     does not know of them: such a program trusts its environment, including LD_PRELOAD.
//   - Securebits and ambient capabilities are refused or have no effect.
//   - A step cannot run a supervisor of its own (EBUSY), and has no openat2 or io_uring
//     (ENOSYS).
//
// Only Linux has it.
package supervisor
