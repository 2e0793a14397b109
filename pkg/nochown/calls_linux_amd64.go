// SPDX-License-Identifier: MPL-2.0

package nochown

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_X86_64

func calls() []uint32 {
	return []uint32{unix.SYS_CHOWN, unix.SYS_LCHOWN, unix.SYS_FCHOWN, unix.SYS_FCHOWNAT}
}
