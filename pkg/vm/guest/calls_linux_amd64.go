// SPDX-License-Identifier: MPL-2.0

package guest

import "golang.org/x/sys/unix"

func nativeCalls() calls {
	return calls{unix.AUDIT_ARCH_X86_64, unix.SYS_SOCKET, []uint32{
		unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS, unix.SYS_MSYNC, unix.SYS_SYNC_FILE_RANGE,
	}}
}
