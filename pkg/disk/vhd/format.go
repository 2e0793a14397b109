// SPDX-License-Identifier: MPL-2.0

package vhd

import (
	"encoding/binary"
	"fmt"
)

// The on-disk format, after Microsoft's "Virtual Hard Disk Image Format
// Specification" 1.0. Everything is big-endian.
const (
	sectorSize   = 512
	footerSize   = 512
	headerSize   = 1024
	cookie       = "conectix"
	headerCookie = "cxsparse"
	features     = 2       // reserved, always set
	version      = 0x10000 // of footer and header
	kindFixed    = 2
	kindDynamic  = 3
	kindChild    = 4          // a differencing disk
	unused       = 0xFFFFFFFF // in the block allocation table
	epoch        = 946684800  // 2000-01-01 in seconds since 1970

	blockSize   = 2 << 20                              // data of a block
	minBlock    = 64 << 10                             // that is read: the table has to fit into memory
	bitmapSize  = blockSize / sectorSize / 8           // before it, whole sectors
	runSize     = 64 << 10                             // left out as a hole of the file if it is zero
	tableAt     = footerSize + headerSize              // of a dynamic disk that we write
	MaxSize     = 2040 << 30                           // the maximum in Hyper-V
	maxGeometry = int64(65535) * 16 * 255 * sectorSize // the maximum that CHS can express
)

// footer is the structure at the file's end; a dynamic disk has it at the start,
// too.
type footer struct {
	dataOffset uint64 // of the dynamic header; all ones for a fixed disk
	time       uint32 // seconds since 2000
	creator    [4]byte
	host       [4]byte
	size       uint64 // of the disk in bytes
	geometry   geometry
	kind       uint32
	uuid       [16]byte
}

// geometry is for old BIOS calls.
type geometry struct {
	cylinders uint16
	heads     uint8
	sectors   uint8 // a track
}

func (g geometry) bytes() int64 {
	return int64(g.cylinders) * int64(g.heads) * int64(g.sectors) * sectorSize
}

// newGeometry is the algorithm in the specification's appendix.
func newGeometry(size int64) geometry {
	total := min(size, maxGeometry) / sectorSize
	if total >= 65535*16*63 {
		return geometry{uint16(total / 255 / 16), 16, 255}
	}
	sectors, heads := int64(17), int64(0)
	tracks := total / sectors
	heads = max((tracks+1023)/1024, 4)
	if tracks >= heads*1024 || heads > 16 {
		sectors, heads = 31, 16
		tracks = total / sectors
	}
	if tracks >= heads*1024 {
		sectors, heads = 63, 16
		tracks = total / sectors
	}
	return geometry{uint16(tracks / heads), uint8(heads), uint8(sectors)}
}

func (f footer) bytes() []byte {
	be := binary.BigEndian
	b := make([]byte, footerSize)
	copy(b, cookie)
	be.PutUint32(b[8:], features)
	be.PutUint32(b[12:], version)
	be.PutUint64(b[16:], f.dataOffset)
	be.PutUint32(b[24:], f.time)
	copy(b[28:], f.creator[:])
	be.PutUint32(b[32:], version)
	copy(b[36:], f.host[:])
	be.PutUint64(b[40:], f.size)
	be.PutUint64(b[48:], f.size)
	be.PutUint16(b[56:], f.geometry.cylinders)
	b[58], b[59] = f.geometry.heads, f.geometry.sectors
	be.PutUint32(b[60:], f.kind)
	copy(b[68:], f.uuid[:])
	be.PutUint32(b[64:], checksum(b))
	return b
}

func parseFooter(b []byte) (footer, error) {
	be := binary.BigEndian
	if len(b) < footerSize || string(b[:8]) != cookie {
		return footer{}, fmt.Errorf("%w: no conectix footer", ErrFormat)
	}
	if !summed(b[:footerSize], 64) {
		return footer{}, fmt.Errorf("%w: the footer's checksum is wrong", ErrFormat)
	}
	return footer{
		dataOffset: be.Uint64(b[16:]), time: be.Uint32(b[24:]), creator: [4]byte(b[28:32]), host: [4]byte(b[36:40]),
		size: be.Uint64(b[48:]), geometry: geometry{be.Uint16(b[56:]), b[58], b[59]}, kind: be.Uint32(b[60:]), uuid: [16]byte(b[68:84]),
	}, nil
}

// dynamicHeader describes a dynamic disk's table.
type dynamicHeader struct {
	table     uint64 // offset of the block allocation table
	entries   uint32
	blockSize uint32
}

func (h dynamicHeader) bytes() []byte {
	be := binary.BigEndian
	b := make([]byte, headerSize)
	copy(b, headerCookie)
	be.PutUint64(b[8:], ^uint64(0))
	be.PutUint64(b[16:], h.table)
	be.PutUint32(b[24:], version)
	be.PutUint32(b[28:], h.entries)
	be.PutUint32(b[32:], h.blockSize)
	be.PutUint32(b[36:], checksum(b))
	return b
}

func parseHeader(b []byte) (dynamicHeader, error) {
	be := binary.BigEndian
	if len(b) < headerSize || string(b[:8]) != headerCookie {
		return dynamicHeader{}, fmt.Errorf("%w: no cxsparse header", ErrFormat)
	}
	if !summed(b[:headerSize], 36) {
		return dynamicHeader{}, fmt.Errorf("%w: the dynamic header's checksum is wrong", ErrFormat)
	}
	return dynamicHeader{table: be.Uint64(b[16:]), entries: be.Uint32(b[28:]), blockSize: be.Uint32(b[32:])}, nil
}

// checksum is the complement of the sum of all bytes; the checksum field is still
// zero.
func checksum(b []byte) uint32 {
	var sum uint32
	for _, c := range b {
		sum += uint32(c)
	}
	return ^sum
}

// summed reports whether the checksum at b[at:] is right.
func summed(b []byte, at int) bool {
	var own uint32
	for _, c := range b[at : at+4] {
		own += uint32(c)
	}
	return checksum(b)+own == binary.BigEndian.Uint32(b[at:])
}
