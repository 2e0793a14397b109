// SPDX-License-Identifier: MPL-2.0

package nochown

import "golang.org/x/sys/unix"

const auditArch = unix.AUDIT_ARCH_AARCH64

func calls() []uint32 { return []uint32{unix.SYS_FCHOWN, unix.SYS_FCHOWNAT} }
