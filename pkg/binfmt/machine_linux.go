// SPDX-License-Identifier: MPL-2.0

package binfmt

import "encoding/binary"

// machine is an architecture as the kernel and qemu see it. All are
// little-endian.
type machine struct {
	arch  string // as in an image's configuration
	qemu  string // the emulator is qemu-QEMU
	bits  int
	elf   uint16 // e_machine
	flags uint32 // e_flags
	exit  []byte // instructions of exit(0)
}

func machines() []machine {
	return []machine{
		{"arm", "arm", 32, 40, 0x05000000, words(0xe3a00000, 0xe3a07001, 0xef000000)},     // mov r0, #0; mov r7, #1; svc 0
		{"arm64", "aarch64", 64, 183, 0, words(0xd2800000, 0xd2800ba8, 0xd4000001)},       // mov x0, #0; mov x8, #93; svc 0
		{"riscv64", "riscv64", 64, 243, 0, words(0x00000513, 0x05d00893, 0x00000073)},     // li a0, 0; li a7, 93; ecall
		{"ppc64le", "ppc64le", 64, 21, 2, words(0x38600000, 0x38000001, 0x44000002)},      // li r3, 0; li r0, 1; sc
		{"amd64", "x86_64", 64, 62, 0, []byte("\x31\xff\xb8\x3c\x00\x00\x00\x0f\x05")},    // xor edi, edi; mov eax, 60; syscall
		{"386", "i386", 32, 3, 0, []byte("\x31\xdb\xb8\x01\x00\x00\x00\xcd\x80\x90\x90")}, // xor ebx, ebx; mov eax, 1; int 0x80
	}
}

func words(ws ...uint32) []byte {
	var b []byte
	for _, w := range ws {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	return b
}

// Of the ELF header (System V ABI, gabi chapter 4): what is looked at to tell
// a machine's programs, and what of it differs among them.
const (
	magicLen = 20 // up to e_machine
	osABI    = 7
	fileType = 16
)

// Sizes of the headers, and where a program is loaded.
const (
	elfHeader32, programHeader32 = 52, 32
	elfHeader64, programHeader64 = 64, 56
	loadAddress                  = 0x10000000
)

// header is the ELF header of a program whose one program header follows, and
// then its instructions.
func (m machine) header() []byte {
	le := binary.LittleEndian
	class, size, phdr := byte(1), elfHeader32, programHeader32
	if m.bits == 64 {
		class, size, phdr = 2, elfHeader64, programHeader64
	}
	b := append([]byte{0x7f, 'E', 'L', 'F', class, 1, 1}, make([]byte, 9)...)
	b = le.AppendUint16(b, 2) // ET_EXEC
	b = le.AppendUint16(b, m.elf)
	b = le.AppendUint32(b, 1)
	b = m.word(b, loadAddress+uint64(size+phdr)) // entry
	b = m.word(b, uint64(size))                  // program headers
	b = m.word(b, 0)                             // no sections
	b = le.AppendUint32(b, m.flags)
	for _, v := range []uint16{uint16(size), uint16(phdr), 1, 0, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	return b
}

// Architectures are those that are known, named as in an image's configuration.
func Architectures() []string {
	var out []string
	for _, m := range machines() {
		out = append(out, m.arch)
	}
	return out
}

// Program is a static executable of an architecture, named as in an image's configuration,
// that ends at once with status 0; nil where the architecture is not known.
func Program(arch string) []byte {
	for _, m := range machines() {
		if m.arch == arch {
			return m.program()
		}
	}
	return nil
}

// program is a static executable that ends at once with status 0.
func (m machine) program() []byte {
	const readExecute, align = 5, 0x10000
	le := binary.LittleEndian
	b := m.header()
	size := uint64(len(b) + programHeader32 + len(m.exit))
	if m.bits == 64 {
		size += programHeader64 - programHeader32
	}
	b = le.AppendUint32(b, 1) // PT_LOAD
	if m.bits == 64 {
		b = le.AppendUint32(b, readExecute)
	}
	for _, v := range []uint64{0, loadAddress, loadAddress, size, size} { // offset, addresses, sizes
		b = m.word(b, v)
	}
	if m.bits == 32 {
		b = le.AppendUint32(b, readExecute)
	}
	b = m.word(b, align)
	return append(b, m.exit...)
}

// word appends an address or size.
func (m machine) word(b []byte, v uint64) []byte {
	if m.bits == 64 {
		return binary.LittleEndian.AppendUint64(b, v)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(v))
}
