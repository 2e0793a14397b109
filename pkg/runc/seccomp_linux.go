// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"slices"
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// denied are the system calls that Docker's default profile refuses to a
// container with the default capabilities. They fail with EPERM, so that
// programs fall back as they do in any container.
var denied = []string{
	"acct", "add_key", "bpf", "clock_adjtime", "clock_adjtime64", "clock_settime", "clock_settime64", "create_module",
	"delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms",
	"init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp", "kexec_file_load",
	"kexec_load", "keyctl", "lookup_dcookie", "mount", "mount_setattr", "move_mount", "nfsservctl", "open_by_handle_at",
	"open_tree", "perf_event_open", "pivot_root", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key",
	"setns", "settimeofday", "stime", "swapoff", "swapon", "syslog", "umount", "umount2", "unshare", "uselib",
	"userfaultfd", "vhangup", "vm86", "vm86old",
}

// cloneNamespaces are the flags of clone(2) that make namespaces.
const cloneNamespaces = syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUSER |
	syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | 0x02000000 // CLONE_NEWCGROUP

// Address families that a network namespace confines, or that have no network:
// unix, inet, inet6, netlink and packet.
var confined = []uint64{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET}

// noSockets refuses sockets that would reach beyond the step. AF_VSOCK leads to
// the hypervisor, or to guests, whatever the network namespace; others may. The
// kernel looks at 32 bits of the argument, so the filter does.
func noSockets(n sandbox.Network) []specs.LinuxSyscall {
	var families []uint64
	for f := range uint64(64) { // more than the kernel has
		if f == unix.AF_VSOCK || n != sandbox.HostNetwork && !slices.Contains(confined, f) {
			families = append(families, f)
		}
	}
	unsupported := uint(syscall.EAFNOSUPPORT)
	var rules []specs.LinuxSyscall
	for _, f := range families {
		rules = append(rules, specs.LinuxSyscall{
			Names: []string{"socket"}, Action: specs.ActErrno, ErrnoRet: &unsupported,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0xffffffff, ValueTwo: f, Op: specs.OpMaskedEqual}},
		})
	}
	if n != sandbox.HostNetwork {
		// The old way of 32-bit programs, whose arguments a filter cannot see; they
		// fall back to socket(2).
		enosys := uint(syscall.ENOSYS)
		rules = append(rules, specs.LinuxSyscall{Names: []string{"socketcall"}, Action: specs.ActErrno, ErrnoRet: &enosys})
	}
	return rules
}

func seccomp(n sandbox.Network) *specs.LinuxSeccomp {
	eperm, enosys := uint(syscall.EPERM), uint(syscall.ENOSYS)
	rules := []specs.LinuxSyscall{
		{Names: denied, Action: specs.ActErrno, ErrnoRet: &eperm},
		// glibc falls back to clone, whose flags can be looked at.
		{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &enosys},
	}
	for bit := uint64(1); bit <= 1<<31; bit <<= 1 {
		if cloneNamespaces&bit != 0 {
			rules = append(rules, specs.LinuxSyscall{
				Names: []string{"clone"}, Action: specs.ActErrno, ErrnoRet: &eperm,
				Args: []specs.LinuxSeccompArg{{Index: 0, Value: bit, ValueTwo: bit, Op: specs.OpMaskedEqual}},
			})
		}
	}
	rules = append(rules, noSockets(n)...)
	return &specs.LinuxSeccomp{
		DefaultAction: specs.ActAllow,
		Architectures: []specs.Arch{specs.ArchX86_64, specs.ArchX86, specs.ArchX32, specs.ArchAARCH64, specs.ArchARM},
		Syscalls:      rules,
	}
}
