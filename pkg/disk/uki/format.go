// SPDX-License-Identifier: MPL-2.0

package uki

import "encoding/binary"

// Offsets of the Portable Executable format (Microsoft's PE Format, "COFF File
// Header", "Optional Header", "Section Table"); little endian.
var le = binary.LittleEndian

const (
	dosPE = 0x3C // u32: offset of the PE signature

	// relative to the signature
	coffSections   = 6  // u16
	coffSymbols    = 12 // u32: pointer
	coffSymbolsNum = 16 // u32
	coffOptional   = 20 // u16: size of the optional header
	optional       = 24

	// relative to the optional header, the same in PE32 and PE32+ up to checkSum
	optMagic        = 0 // u16
	entryPoint      = 16
	sectionAlign    = 32
	fileAlign       = 36
	sizeOfImage     = 56
	sizeOfHeaders   = 60
	checkSum        = 64
	magic32         = 0x10B
	magic64         = 0x20B
	directories32   = 92 // u32: number of data directories, which follow
	directories64   = 108
	certificate     = 4 // the directory of signatures, whose address is a file offset
	directorySize   = 8
	sectionSize     = 40
	sectionName     = 8
	readInitialised = 0x40000040 // characteristics: readable, initialised data

	pageSize = 4096
)

// header is an entry of the section table, without the fields that are zero here.
type header struct {
	name       string
	size       uint32 // size in memory
	address    uint32 // address in memory
	rawSize    uint32
	raw        uint32 // offset in the file
	attributes uint32
}

func readHeader(b []byte) header {
	n := 0
	for n < sectionName && b[n] != 0 {
		n++
	}
	return header{string(b[:n]), le.Uint32(b[8:]), le.Uint32(b[12:]), le.Uint32(b[16:]), le.Uint32(b[20:]), le.Uint32(b[36:])}
}

func (h *header) put(b []byte) {
	clear(b[:sectionSize])
	copy(b, h.name)
	le.PutUint32(b[8:], h.size)
	le.PutUint32(b[12:], h.address)
	le.PutUint32(b[16:], h.rawSize)
	le.PutUint32(b[20:], h.raw)
	le.PutUint32(b[36:], h.attributes)
}
