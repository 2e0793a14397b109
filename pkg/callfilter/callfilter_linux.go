// SPDX-License-Identifier: MPL-2.0

package callfilter

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, seccomp(2): the call's number, the architecture, the
// instruction pointer and six arguments of 64 bits, of which a filter loads 32 at a time.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// Answers of a filter, seccomp(2): the lower 16 bits are an errno.
const errno = unix.SECCOMP_RET_ERRNO

var (
	allowed = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	denied  = bpf.RetConstant{Val: errno | uint32(unix.EPERM)}
	missing = bpf.RetConstant{Val: errno | uint32(unix.ENOSYS)}
)

// x32Bit is set in the numbers of amd64's x32 calls.
const x32Bit = 0x40000000

// A Filter refuses the system calls that a step must not make. A call that it does not know
// fails with ENOSYS, as on a kernel that does not have it.
type Filter struct {
	Allowed  []string // calls that pass whatever their arguments
	Denied   []string // calls that fail with EPERM
	Network  sandbox.Network
	Families []uint32 // address families that the sandbox confines, see sandbox.RefusedFamilies
	// Namespaces lets clone and clone3 pass with any flags.
	Namespaces bool
	// Protected are processes, and process groups as negative numbers, that cannot be
	// signalled.
	Protected []int
}

// Install installs the filter permanently for this thread and for what it executes and starts.
// The thread needs CAP_SYS_ADMIN or no_new_privs.
func (f Filter) Install() error {
	raw, err := bpf.Assemble(f.instructions())
	if err != nil {
		return fmt.Errorf("filter of system calls: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, in := range raw {
		code[i] = unix.SockFilter{Code: in.Op, Jt: in.Jt, Jf: in.Jf, K: in.K}
	}
	prog := unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return fmt.Errorf("filter of system calls: %w", errno)
	}
	return nil
}

// tables are the system call tables of the architectures whose programs this machine runs.
func tables() []*arch.Info {
	if runtime.GOARCH == "arm64" {
		return []*arch.Info{arch.AARCH64, arch.ARM}
	}
	return []*arch.Info{arch.X86_64, arch.I386}
}

// instructions are the filter's program.
func (f Filter) instructions() []bpf.Instruction {
	var p program
	for _, table := range tables() {
		block := f.block(table)
		p.add(bpf.LoadAbsolute{Off: offsetArch, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(table.ID), SkipTrue: 1},
			bpf.Jump{Skip: uint32(len(block))})
		p.add(block...)
	}
	p.add(missing)
	return p
}

// block is the part for one architecture. It never jumps past its end.
func (f Filter) block(table *arch.Info) []bpf.Instruction {
	var p program
	p.add(bpf.LoadAbsolute{Off: offsetNumber, Size: 4})
	if table == arch.X86_64 {
		p.add(answer(bpf.JumpGreaterOrEqual, x32Bit, missing)...)
	}
	for _, name := range f.Denied {
		p.call(table, name, denied)
	}
	if f.Namespaces {
		p.call(table, "clone3", allowed)
		p.call(table, "clone", allowed)
	} else {
		p.call(table, "clone3", missing)
		p.look(table, "clone", argument(0, answer(bpf.JumpBitsSet, sandbox.NamespaceFlags, denied)...))
	}
	var personalities []bpf.Instruction
	for _, v := range sandbox.Personalities() {
		personalities = append(personalities, answer(bpf.JumpEqual, v, allowed)...)
	}
	p.look(table, "personality", argument(0, append(personalities, missing)...))
	p.look(table, "socket", f.sockets())
	p.call(table, "socketcall", missing) // a filter cannot see its arguments; libraries fall back to socket
	p.protect(table, f.Protected)
	for _, r := range sandbox.Ranges(f.Allowed, table.SyscallNames) { // in ascending order
		p.add(answer(bpf.JumpLessThan, r.First, missing)...)
		p.add(answer(bpf.JumpLessOrEqual, r.Last, allowed)...)
	}
	p.add(missing)
	return p
}

// sockets are the conditions for socket(2).
func (f Filter) sockets() []bpf.Instruction {
	var out []bpf.Instruction
	for _, family := range sandbox.RefusedFamilies(f.Network, f.Families...) {
		out = append(out, answer(bpf.JumpEqual, family, bpf.RetConstant{Val: errno | uint32(unix.EAFNOSUPPORT)})...)
	}
	out = argument(0, out...)
	for _, family := range f.Families {
		var types []bpf.Instruction
		for _, kind := range sandbox.RefusedTypes(f.Network, family) {
			types = append(types, answer(bpf.JumpEqual, kind, denied)...)
		}
		if len(types) == 0 {
			continue
		}
		types = append(argument(1, bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: sandbox.TypeMask}), types...)
		out = append(out, argument(0, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: family, SkipTrue: uint8(len(types))})...)
		out = append(out, types...)
	}
	return out
}

// program is a part of a filter.
type program []bpf.Instruction

func (p *program) add(in ...bpf.Instruction) { *p = append(*p, in...) }

// protect refuses calls that end or hinder a protected process, and signals to all processes.
func (p *program) protect(table *arch.Info, protected []int) {
	if len(protected) == 0 {
		return
	}
	var processes []bpf.Instruction
	for _, pid := range append([]int{-1}, protected...) {
		processes = append(processes, answer(bpf.JumpEqual, uint32(int32(pid)), denied)...)
	}
	for _, name := range []string{"kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "prlimit64"} {
		p.look(table, name, argument(0, processes...))
	}
}

// answer returns ret if a condition on the loaded value holds.
func answer(cond bpf.JumpTest, val uint32, ret bpf.RetConstant) []bpf.Instruction {
	return []bpf.Instruction{bpf.JumpIf{Cond: cond, Val: val, SkipFalse: 1}, ret}
}

// argument applies conditions to the lower half of a call's argument.
func argument(n int, conditions ...bpf.Instruction) []bpf.Instruction {
	return append([]bpf.Instruction{bpf.LoadAbsolute{Off: uint32(offsetArgs + 8*n), Size: 4}}, conditions...) // little endian
}

// call gives a call one answer, whatever its arguments.
func (p *program) call(table *arch.Info, name string, ret bpf.RetConstant) {
	if n, ok := table.SyscallNames[name]; ok {
		p.add(answer(bpf.JumpEqual, uint32(n), ret)...)
	}
}

// look allows a call unless a condition gives another answer.
func (p *program) look(table *arch.Info, name string, conditions []bpf.Instruction) {
	n, ok := table.SyscallNames[name]
	if !ok {
		return
	}
	p.add(bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(n), SkipTrue: 1}, bpf.Jump{Skip: uint32(len(conditions)) + 1})
	p.add(conditions...)
	p.add(allowed)
}
