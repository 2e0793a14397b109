// SPDX-License-Identifier: MPL-2.0

package chroot

import (
	"runtime"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, seccomp(2): the number of the call, the architecture,
// the instruction pointer and six arguments of 64 bits, of which a filter loads 32.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// What a filter answers, seccomp(2): the lower 16 bits are an errno.
const (
	allow = unix.SECCOMP_RET_ALLOW
	errno = unix.SECCOMP_RET_ERRNO
)

// x32Bit is in the numbers of the x32 calls of amd64.
const x32Bit = 0x40000000

// filter is a program for seccomp(2) that allows what sandbox.AllowedCalls says, and refuses
// sockets of sandbox.RefusedFamilies and signals to processes that are not the step's.
type filter struct {
	network   sandbox.Network
	allowed   []string
	protected []int // processes; negative: process groups
	program   []bpf.Instruction
}

// tables are the calls of the architectures whose programs this machine runs.
func tables() []*arch.Info {
	if runtime.GOARCH == "arm64" {
		return []*arch.Info{arch.AARCH64, arch.ARM}
	}
	return []*arch.Info{arch.X86_64, arch.I386}
}

// instructions are the program.
func (f *filter) instructions() []bpf.Instruction {
	f.program = nil
	for _, table := range tables() {
		block := f.block(table)
		f.add(bpf.LoadAbsolute{Off: offsetArch, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(table.ID), SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(block))})
		f.add(block...)
	}
	f.add(bpf.RetConstant{Val: errno | uint32(unix.ENOSYS)})
	return f.program
}

func (f *filter) add(in ...bpf.Instruction) { f.program = append(f.program, in...) }

// block is the part for one architecture. It does not go past its end.
func (f *filter) block(table *arch.Info) []bpf.Instruction {
	b := filter{network: f.network, allowed: f.allowed, protected: f.protected}
	b.add(bpf.LoadAbsolute{Off: offsetNumber, Size: 4})
	if table == arch.X86_64 {
		b.add(answer(bpf.JumpGreaterOrEqual, x32Bit, errno|uint32(unix.ENOSYS))...)
	}
	for _, name := range sandbox.DeniedCalls() {
		b.refuse(table, name, unix.EPERM)
	}
	b.refuse(table, "clone3", unix.ENOSYS)
	b.look(table, "clone", 0, answer(bpf.JumpBitsSet, sandbox.NamespaceFlags, errno|uint32(unix.EPERM)))
	var personalities []bpf.Instruction
	for _, p := range sandbox.Personalities() {
		personalities = append(personalities, answer(bpf.JumpEqual, p, allow)...)
	}
	b.look(table, "personality", 0, append(personalities, bpf.RetConstant{Val: errno | uint32(unix.ENOSYS)}))
	var sockets []bpf.Instruction
	for _, family := range sandbox.RefusedFamilies(b.network, unix.AF_UNIX) {
		sockets = append(sockets, answer(bpf.JumpEqual, family, errno|uint32(unix.EAFNOSUPPORT))...)
	}
	b.look(table, "socket", 0, sockets)
	if b.network != sandbox.HostNetwork { // whose arguments a filter cannot see
		b.refuse(table, "socketcall", unix.ENOSYS)
	}
	b.protect(table)
	for _, r := range sandbox.Ranges(b.allowed, table.SyscallNames) { // ascending
		b.add(answer(bpf.JumpLessThan, r.First, errno|uint32(unix.ENOSYS))...)
		b.add(answer(bpf.JumpLessOrEqual, r.Last, allow)...)
	}
	b.add(bpf.RetConstant{Val: errno | uint32(unix.ENOSYS)})
	return b.program
}

// protect refuses what ends or hinders a protected process, and a signal to all there are.
func (f *filter) protect(table *arch.Info) {
	if len(f.protected) == 0 {
		return
	}
	var processes []bpf.Instruction
	for _, pid := range append([]int{-1}, f.protected...) {
		processes = append(processes, answer(bpf.JumpEqual, uint32(int32(pid)), errno|uint32(unix.EPERM))...)
	}
	for _, name := range []string{"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "prlimit64"} {
		f.look(table, name, 0, processes)
	}
}

// answer is an answer where a condition on what is loaded holds.
func answer(cond bpf.JumpTest, val, ret uint32) []bpf.Instruction {
	return []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: val, SkipFalse: 1}, bpf.RetConstant{Val: ret}}
}

// refuse answers a call with an error.
func (f *filter) refuse(table *arch.Info, name string, e unix.Errno) {
	if n, ok := table.SyscallNames[name]; ok {
		f.add(answer(bpf.JumpEqual, uint32(n), errno|uint32(e))...)
	}
}

// look has conditions look at the lower half of an argument of a call.
func (f *filter) look(table *arch.Info, name string, arg int, conditions []bpf.Instruction) {
	n, ok := table.SyscallNames[name]
	if !ok {
		return
	}
	f.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(n), SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(conditions)) + 2},
		bpf.LoadAbsolute{Off: uint32(offsetArgs + 8*arg), Size: 4}) // of little endian
	f.add(conditions...)
	f.add(bpf.RetConstant{Val: allow})
}
