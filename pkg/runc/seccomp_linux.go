// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"

	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Address families that a network namespace confines, or that have no network:
// unix, inet, inet6, netlink and packet.
var confined = []uint32{unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK, unix.AF_PACKET}

// noSockets refuses sockets that would reach beyond the step.
func noSockets(n sandbox.Network) []specs.LinuxSyscall {
	unsupported := uint(syscall.EAFNOSUPPORT)
	var rules []specs.LinuxSyscall
	for _, f := range sandbox.RefusedFamilies(n, confined...) {
		rules = append(rules, specs.LinuxSyscall{
			Names: []string{"socket"}, Action: specs.ActErrno, ErrnoRet: &unsupported,
			Args: []specs.LinuxSeccompArg{{Index: 0, Value: 0xffffffff, ValueTwo: uint64(f), Op: specs.OpMaskedEqual}},
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
		{Names: sandbox.DeniedCalls(), Action: specs.ActErrno, ErrnoRet: &eperm},
		// glibc falls back to clone, whose flags can be looked at.
		{Names: []string{"clone3"}, Action: specs.ActErrno, ErrnoRet: &enosys},
	}
	for bit := uint64(1); bit <= 1<<31; bit <<= 1 {
		if sandbox.NamespaceFlags&bit != 0 {
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
