// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"unicode/utf16"
)

// The on-disk format, after [MS-VHDX] 1.0. Everything is little-endian. The file
// is a header section of 1 MiB, and then regions and blocks at whole MiB.
const (
	mebibyte   = 1 << 20
	sectorSize = 512

	identifierAt = 0 // 2.2.1, file type identifier
	headerAt     = 64 << 10
	headerSize   = 4 << 10
	regionAt     = 192 << 10
	regionSize   = 64 << 10
	logAt        = 1 * mebibyte
	logSize      = mebibyte
	metadataAt   = 2 * mebibyte
	metadataSize = mebibyte
	itemsAt      = 64 << 10 // of the metadata's items, in their region
	tableAt      = 3 * mebibyte

	blockSize  = mebibyte
	chunkRatio = 1 << 23 * sectorSize / blockSize // payload blocks for each sector bitmap block

	blockZero    = 2 // 2.5.1.1, states of a payload block
	blockPresent = 6

	itemRequired = 1 << 2 // 2.6.1.2, flags of a metadata item
	itemDisk     = 1 << 1 // it is about the disk, not the file

	// MaxSize is the largest disk.
	MaxSize = 64 << 40
)

// Identifiers of regions and metadata items.
const (
	regionTable    = "2DC27766-F623-4200-9D64-115E9BFD4A08"
	regionMetadata = "8B7CA206-4790-4B9A-B8FE-575F050F886E"
	itemParameters = "CAA16737-FA36-4D43-B3B6-33F0AA44E76B"
	itemSize       = "2FA54224-CD1B-4876-B211-5DBED83BF4B8"
	itemID         = "BECA12AB-B2E6-4523-93EF-C309E000C746"
	itemLogical    = "8141BF1D-A96F-4709-BA47-F233A8FAAB5F"
	itemPhysical   = "CDA348C7-445D-4471-9CC9-E9885251C556"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// guid is the text in its on-disk form, with the low byte first in the first three
// groups.
func guid(s string) []byte {
	b, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil {
		panic(err) // a constant
	}
	return mixed([16]byte(b))
}

func mixed(u [16]byte) []byte {
	return []byte{u[3], u[2], u[1], u[0], u[5], u[4], u[7], u[6], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]}
}

// sum writes the checksum at byte 4 of a structure, where it is still zero.
func sum(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b, castagnoli))
	return b
}

func identifier() []byte {
	b := []byte("vhdxfile")
	for _, c := range utf16.Encode([]rune("carosbuild")) {
		b = binary.LittleEndian.AppendUint16(b, c)
	}
	return b
}

// header is one of two; the one with the larger number is current.
func header(number uint64, o Options) []byte {
	le := binary.LittleEndian
	b := make([]byte, headerSize)
	copy(b, "head")
	le.PutUint64(b[8:], number)
	copy(b[16:], mixed(o.FileID))
	copy(b[32:], mixed(o.DiskID)) // changes whenever the content does
	le.PutUint16(b[66:], 1)       // version; the log's is 0, and it is empty
	le.PutUint32(b[68:], logSize)
	le.PutUint64(b[72:], logAt)
	return sum(b)
}

// regions has the places of table and metadata.
func regions(tableSize int64) []byte {
	le := binary.LittleEndian
	b := make([]byte, regionSize)
	copy(b, "regi")
	le.PutUint32(b[8:], 2)
	for i, r := range []struct {
		id       string
		at, size int64
	}{{regionTable, tableAt, tableSize}, {regionMetadata, metadataAt, metadataSize}} {
		e := b[16+32*i:]
		copy(e, guid(r.id))
		le.PutUint64(e[16:], uint64(r.at))
		le.PutUint32(e[24:], uint32(r.size))
		le.PutUint32(e[28:], 1) // required
	}
	return sum(b)
}

// metadata is the used part of the region.
func metadata(size int64, o Options) []byte {
	le := binary.LittleEndian
	b := make([]byte, itemsAt)
	copy(b, "metadata")
	items := []struct {
		id    string
		flags uint32
		data  []byte
	}{
		{itemParameters, itemRequired, le.AppendUint64(nil, blockSize)}, // and no flags
		{itemSize, itemRequired | itemDisk, le.AppendUint64(nil, uint64(size))},
		{itemID, itemRequired | itemDisk, mixed(o.DiskID)},
		{itemLogical, itemRequired | itemDisk, le.AppendUint32(nil, sectorSize)},
		{itemPhysical, itemRequired | itemDisk, le.AppendUint32(nil, 4096)},
	}
	le.PutUint16(b[10:], uint16(len(items)))
	for i, it := range items {
		e := b[32+32*i:]
		copy(e, guid(it.id))
		le.PutUint32(e[16:], uint32(len(b)))
		le.PutUint32(e[20:], uint32(len(it.data)))
		le.PutUint32(e[24:], it.flags)
		b = append(b, it.data...)
	}
	return b
}
