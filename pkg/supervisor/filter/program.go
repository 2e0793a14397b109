// SPDX-License-Identifier: MPL-2.0

package filter

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/sandbox"
)

// Arch is an AUDIT_ARCH value of linux/audit.h, as in seccomp_data.
type Arch uint32

// The architectures that have a table.
const (
	X8664 Arch = 0xc000003e
	I386  Arch = 0x40000003
	ARM64 Arch = 0xc00000b7
	ARM   Arch = 0x40000028
)

// Table has the numbers of an architecture's calls.
type Table map[string]uint32

// Tables has each architecture's table.
func Tables() map[Arch]Table {
	return map[Arch]Table{X8664: x8664, I386: i386, ARM64: arm64, ARM: arm}
}

// lastKnown is the highest number that was reviewed, the same in all tables. A call above it
// may be another way to change an owner.
const lastKnown = 469

// From here on, ARM has its own calls (cacheflush, set_tls, ...).
const (
	armPrivate    = 0xf0000
	armPrivateEnd = 0xf0006
)

// Options choose among programs.
type Options struct {
	Network sandbox.Network
	// Allowed are the calls that pass if no rule names them, in ascending order; without a list
	// for an architecture, all known calls pass.
	Allowed map[Arch][]sandbox.Range
}

// Instruction is struct sock_filter of linux/filter.h.
type Instruction struct {
	Code   uint16
	Jt, Jf uint8
	K      uint32
}

type instruction = Instruction

// rule decides one call; its body ends with a return, or falls through to "allow".
type rule struct {
	nr   uint32
	body []instruction
}

// Opcodes of linux/bpf_common.h, combined as they are used.
const (
	opLoad    = 0x20 // BPF_LD|BPF_W|BPF_ABS
	opJump    = 0x05 // BPF_JMP|BPF_JA
	opEqual   = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	opGreater = 0x25 // BPF_JMP|BPF_JGT|BPF_K
	opAtLeast = 0x35 // BPF_JMP|BPF_JGE|BPF_K
	opSet     = 0x45 // BPF_JMP|BPF_JSET|BPF_K
	opAnd     = 0x54 // BPF_ALU|BPF_AND|BPF_K
	opReturn  = 0x06 // BPF_RET|BPF_K
)

// Offsets in struct seccomp_data, little endian.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

// Results, linux/seccomp.h.
const (
	allow  = 0x7fff0000
	notify = 0x7fc00000
	errno  = 0x00050000
)

func fail(e uint32) uint32 { return errno | e }

func load(offset uint32) instruction { return instruction{Code: opLoad, K: offset} }
func ret(result uint32) instruction  { return instruction{Code: opReturn, K: result} }
func arg(n uint32) instruction       { return load(offArgs + 8*n) } // the low 32 bits

// ifBits returns result if an argument has one of the bits.
func ifBits(n, bits, result uint32) []instruction {
	return []instruction{arg(n), {Code: opSet, K: bits, Jf: 1}, ret(result)}
}

// ifOneOf returns result if the low 32 bits of an argument are one of the values.
func ifOneOf(n uint32, values []uint32, result uint32) []instruction {
	is := []instruction{arg(n)}
	for _, v := range values {
		is = append(is, instruction{Code: opEqual, K: v, Jf: 1}, ret(result))
	}
	return is
}

// Program returns the program for steps on a machine; its own architecture is the first, the
// others are those that it also runs. A call of any other architecture fails with ENOSYS.
func Program(o Options, archs ...Arch) ([]Instruction, error) {
	tables := Tables()
	var blocks [][]instruction
	for _, a := range archs {
		t, ok := tables[a]
		if !ok {
			return nil, fmt.Errorf("architecture %#x has no table of system calls", uint32(a))
		}
		blocks = append(blocks, block(a, t, o))
	}
	is := []instruction{load(offArch)}
	// Each block is reached by a long jump over the rest of the list and what precedes it.
	for i, a := range archs {
		skip := 2*(len(archs)-i-1) + 1 // to the end of this list
		for _, b := range blocks[:i] {
			skip += len(b)
		}
		is = append(is, instruction{Code: opEqual, K: uint32(a), Jf: 1}, instruction{Code: opJump, K: uint32(skip)})
	}
	is = append(is, ret(fail(enosys)))
	for _, b := range blocks {
		is = append(is, b...)
	}
	return is, nil
}

// block is the part for one architecture. It begins with the call's number loaded.
func block(a Arch, t Table, o Options) []instruction {
	is := []instruction{load(offNr)}
	for _, r := range rules(t, o) {
		body := r.body
		if body[len(body)-1].Code != opReturn || len(body) > 1 {
			body = append(body[:len(body):len(body)], ret(allow))
		}
		is = append(is, instruction{Code: opEqual, K: r.nr, Jf: uint8(len(body))})
		is = append(is, body...)
	}
	if a == ARM {
		is = append(is, instruction{Code: opAtLeast, K: armPrivate, Jf: 2}, instruction{Code: opGreater, K: armPrivateEnd, Jt: 1}, ret(allow))
	}
	is = append(is, instruction{Code: opGreater, K: lastKnown, Jf: 1}, ret(fail(enosys)))
	allowed, ok := o.Allowed[a]
	if !ok {
		return append(is, ret(allow))
	}
	for _, r := range allowed {
		is = append(is, instruction{Code: opAtLeast, K: r.First, Jt: 1}, ret(fail(enosys)))
		is = append(is, instruction{Code: opGreater, K: r.Last, Jt: 1}, ret(allow))
	}
	return append(is, ret(fail(enosys)))
}
