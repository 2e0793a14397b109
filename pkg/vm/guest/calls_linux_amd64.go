// SPDX-License-Identifier: MPL-2.0

package guest

import "golang.org/x/sys/unix"

// nativeCalls are the architecture's number for filters, that of socket, and those of the
// calls that make files durable.
func nativeCalls() (arch, socket uint32, durable []uint32) {
	return unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{
		unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC, unix.SYS_SYNC_FILE_RANGE,
	}
}
