// SPDX-License-Identifier: MPL-2.0

package guest

import "golang.org/x/sys/unix"

// nativeCalls are the calls of the machine's architecture, and of i386, whose programs it
// runs, too.
func nativeCalls() []calls {
	return []calls{
		{
			arch: unix.AUDIT_ARCH_X86_64, socket: unix.SYS_SOCKET, setsockopt: unix.SYS_SETSOCKOPT, hidden: []uint32{unix.SYS_IO_URING_SETUP},
			durable: []uint32{unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC, unix.SYS_SYNC_FILE_RANGE},
		},
		{arch: unix.AUDIT_ARCH_I386, socket: 359, setsockopt: 366, hidden: []uint32{102, 425}}, // socketcall, io_uring_setup
	}
}
