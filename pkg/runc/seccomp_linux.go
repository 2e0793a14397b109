// SPDX-License-Identifier: MPL-2.0

package runc

import (
	"math/bits"
	"runtime"
	"slices"
	"syscall"

	"github.com/carosio/carosbuild/pkg/sandbox"

	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// seccomp is the filter of a step: a list of calls that are allowed. What is in no rule
// fails with ENOSYS. So do refused sockets: for 32-bit programs libseccomp adds a rule for
// socketcall to each one for socket, and takes no two that answer differently. Those programs
// have no socketcall, see noSocketcall, and fall back to socket.
func seccomp(n sandbox.Network) (*specs.LinuxSeccomp, error) {
	allowed, err := sandbox.AllowedCalls()
	if err != nil {
		return nil, err
	}
	enosys := uint(syscall.ENOSYS)
	rules := []specs.LinuxSyscall{allow(without(allowed, "socketcall")...), refuse(syscall.EPERM, sandbox.DeniedCalls()...)}
	rules = append(rules, refuse(syscall.ENOSYS, "clone3"))
	rules = append(rules, clones()...)
	for _, p := range sandbox.Personalities() {
		rules = append(rules, where(allow("personality"), 0xffffffff, p))
	}
	for _, f := range sandbox.OpenFamilies(n, sandbox.ConfinedFamilies()...) {
		rules = append(rules, sockets(n, f)...)
	}
	return &specs.LinuxSeccomp{
		DefaultAction:   specs.ActErrno,
		DefaultErrnoRet: &enosys,
		Architectures:   architectures(),
		Syscalls:        rules,
	}, nil
}

// architectures are those whose programs this machine's kernel runs. libseccomp takes some
// 20 ms to compile the rules for each, in every step. A call of an architecture that
// is not listed, such as x32, kills its process.
func architectures() []specs.Arch {
	if runtime.GOARCH == "arm64" {
		return []specs.Arch{specs.ArchAARCH64, specs.ArchARM}
	}
	return []specs.Arch{specs.ArchX86_64, specs.ArchX86}
}

// sockets are the rules for those of a family.
func sockets(n sandbox.Network, family uint32) []specs.LinuxSyscall {
	rule := where(allow("socket"), 0xffffffff, family)
	refused := sandbox.RefusedTypes(n, family)
	if len(refused) == 0 {
		return []specs.LinuxSyscall{rule}
	}
	var rules []specs.LinuxSyscall
	for kind := range uint32(sandbox.TypeMask + 1) {
		if !slices.Contains(refused, kind) {
			one := where(rule, 0xffffffff, family)
			one.Args = append(one.Args, specs.LinuxSeccompArg{Index: 1, Value: sandbox.TypeMask, ValueTwo: uint64(kind), Op: specs.OpMaskedEqual})
			rules = append(rules, one)
		}
	}
	return rules
}

// clones are the rules for clone: one for each flag that makes a namespace. They exclude
// each other, so that their order does not matter.
func clones() []specs.LinuxSyscall {
	rules := []specs.LinuxSyscall{where(allow("clone"), sandbox.NamespaceFlags, 0)}
	for left := uint32(sandbox.NamespaceFlags); left != 0; left &= left - 1 {
		bit := uint32(1) << bits.TrailingZeros32(left)
		rules = append(rules, where(refuse(syscall.EPERM, "clone"), bit, bit))
	}
	return rules
}

func allow(names ...string) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: names, Action: specs.ActAllow}
}

func refuse(e syscall.Errno, names ...string) specs.LinuxSyscall {
	n := uint(e)
	return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &n}
}

// where limits a rule to calls whose first argument has a value, of the bits of a mask.
func where(rule specs.LinuxSyscall, mask, value uint32) specs.LinuxSyscall {
	rule.Args = []specs.LinuxSeccompArg{{Index: 0, Value: uint64(mask), ValueTwo: uint64(value), Op: specs.OpMaskedEqual}}
	return rule
}

func without(names []string, name string) []string {
	out := make([]string, 0, len(names))
	for _, n := range names {
		if n != name {
			out = append(out, n)
		}
	}
	return out
}
