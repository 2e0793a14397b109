// SPDX-License-Identifier: MPL-2.0

package guest

import "golang.org/x/sys/unix"

// nativeCalls are the calls of the machine's architecture, and of 32-bit ARM, whose programs
// it runs, too.
func nativeCalls() []calls {
	return []calls{
		{
			arch: unix.AUDIT_ARCH_AARCH64, socket: unix.SYS_SOCKET, setsockopt: unix.SYS_SETSOCKOPT, hidden: []uint32{unix.SYS_IO_URING_SETUP},
			durable: []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC, unix.SYS_SYNC_FILE_RANGE},
		},
		{arch: unix.AUDIT_ARCH_ARM, socket: 281, setsockopt: 294, hidden: []uint32{425}}, // io_uring_setup
	}
}
