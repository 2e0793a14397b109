// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"slices"

	"golang.org/x/sys/unix"
)

// DeniedCalls are the system calls that Docker's default profile refuses to a
// container with the default capabilities. They fail with EPERM, so that
// programs fall back as they do in any container. So does clone with one of
// NamespaceFlags; clone3, whose flags a filter cannot see, fails with ENOSYS, and glibc
// falls back to clone.
func DeniedCalls() []string {
	return []string{
		"acct", "add_key", "bpf", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "create_module",
		"delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms",
		"init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
		"kexec_load", "keyctl", "lookup_dcookie", "mount", "mount_setattr", "move_mount", "nfsservctl", "open_by_handle_at",
		"open_tree", "perf_event_open", "pivot_root", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key",
		"setns", "settimeofday", "stime", "swapoff", "swapon", "syslog", "umount", "umount2", "unshare", "uselib",
		"userfaultfd", "vhangup", "vm86", "vm86old",
	}
}

// NamespaceFlags are the flags of clone(2) that make namespaces.
const NamespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// families is one more than the highest address family that the kernel may have.
const families = 64

// RefusedFamilies are the address families of socket(2) that would reach beyond a
// step, and fail with EAFNOSUPPORT. AF_VSOCK leads to the hypervisor, or to guests,
// whatever the network. Without a network all are, except those that the sandbox
// confines in another way. The kernel looks at 32 bits of the argument, so the filter
// has to.
func RefusedFamilies(n Network, confined ...uint32) []uint32 {
	var out []uint32
	for f := range uint32(families) {
		if f == unix.AF_VSOCK || n != HostNetwork && !slices.Contains(confined, f) {
			out = append(out, f)
		}
	}
	return out
}
