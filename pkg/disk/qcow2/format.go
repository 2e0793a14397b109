// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"encoding/binary"
	"fmt"
)

// The on-disk format, after "docs/interop/qcow2" of QEMU. Everything is big-endian.
// A cluster is the unit of allocation; a level 2 table fills a cluster and refers
// to clusters, the level 1 table refers to level 2 tables.
const (
	magic      = 0x514649FB // "QFI" and 0xFB
	headerSize = 112        // of version 3 with a compression type

	incompatDirty       = 1 << 0
	incompatCorrupt     = 1 << 1
	incompatData        = 1 << 2 // an external data file
	incompatExtended    = 1 << 4 // level 2 entries with subclusters
	incompatCompression = 1 << 3 // the compression type is not zlib
	incompatRead        = incompatDirty | incompatCompression
	autoclearBitmaps    = 1 << 0 // the bitmaps of the extension are up to date
	autoclearRawData    = 1 << 1 // the external data file is raw

	entryCopied     = 1 << 63 // the reference count is 1
	entryCompressed = 1 << 62
	entryZero       = 1 << 0 // version 3: reads as zero whatever the offset
	entryOffset     = 0x00FFFFFFFFFFFE00
	l1Reserved      = 0x7F000000000001FF
	l2Reserved      = 0x3F000000000001FE // of an entry that is not compressed
	tableReserved   = 0x1FF              // of the reference count table

	refcountOrder    = 4 // reference counts of 1<<4 bits
	maxRefcountOrder = 6
	maxL1Bytes       = 32 << 20 // the largest that QEMU reads
	maxClusters      = 1 << 26  // of a file that is checked
	maxSnapshots     = 65536    // and these three, as QEMU
	maxBitmaps       = 65535
	maxExtra         = 1024 // bytes of a snapshot's extra data
	minExtra         = 16   // and the least, in version 3
	snapshotSize     = 40   // without extra data and names
	bitmapSize       = 24

	extensionEnd     = 0 // of the header
	extensionBitmaps = 0x23852875

	// What this package writes.
	clusterBits     = 16
	clusterSize     = 1 << clusterBits
	tableSpan       = clusterSize / 8 * clusterSize // of the disk, in one level 2 table: 512 MiB
	blockCounts     = clusterSize * 8 >> refcountOrder
	compressedShift = 62 - (clusterBits - 8) // of the number of sectors in a compressed entry
)

// Compression is the compression of clusters.
type Compression uint8

// The kinds of compression that the format knows.
const (
	Zlib Compression = 0 // deflate without a header
	Zstd Compression = 1 // QEMU 5.1 and later
)

// header has the fields of the file's header that matter.
type header struct {
	version       uint32
	backing       uint64 // offset of the backing file's name
	clusterBits   uint32
	size          uint64 // of the disk
	crypt         uint32
	l1Entries     uint32
	l1            uint64 // offset of the level 1 table
	refTable      uint64 // offset of the reference count table
	refClusters   uint32 // its length
	snapshots     uint32
	snapshotsAt   uint64 // offset of their table
	incompatible  uint64
	autoclear     uint64
	length        uint32 // of the header; its extensions follow
	refcountOrder uint32
	compression   Compression
}

// bytes is the header in its on-disk form, with the end mark of its extensions.
func (h header) bytes() []byte {
	be := binary.BigEndian
	b := make([]byte, headerSize+8)
	be.PutUint32(b, magic)
	be.PutUint32(b[4:], 3)
	be.PutUint64(b[8:], h.backing)
	be.PutUint32(b[20:], h.clusterBits)
	be.PutUint64(b[24:], h.size)
	be.PutUint32(b[32:], h.crypt)
	be.PutUint32(b[36:], h.l1Entries)
	be.PutUint64(b[40:], h.l1)
	be.PutUint64(b[48:], h.refTable)
	be.PutUint32(b[56:], h.refClusters)
	be.PutUint64(b[72:], h.incompatible)
	be.PutUint32(b[96:], h.refcountOrder)
	be.PutUint32(b[100:], headerSize)
	b[104] = byte(h.compression)
	return b
}

// parseHeader parses headers of versions 2 and 3; b is the file's start.
func parseHeader(b []byte) (header, error) {
	be := binary.BigEndian
	if len(b) < 72 || be.Uint32(b) != magic {
		return header{}, fmt.Errorf("%w: no QFI header", ErrFormat)
	}
	h := header{
		version: be.Uint32(b[4:]), backing: be.Uint64(b[8:]), clusterBits: be.Uint32(b[20:]), size: be.Uint64(b[24:]),
		crypt: be.Uint32(b[32:]), l1Entries: be.Uint32(b[36:]), l1: be.Uint64(b[40:]),
		refTable: be.Uint64(b[48:]), refClusters: be.Uint32(b[56:]), refcountOrder: refcountOrder,
		snapshots: be.Uint32(b[60:]), snapshotsAt: be.Uint64(b[64:]), length: 72,
	}
	if h.version == 2 {
		return h, nil
	}
	if h.version != 3 || len(b) < 104 {
		return header{}, fmt.Errorf("%w: version %d", ErrFormat, h.version)
	}
	h.incompatible, h.autoclear, h.refcountOrder, h.length = be.Uint64(b[72:]), be.Uint64(b[88:]), be.Uint32(b[96:]), be.Uint32(b[100:])
	if h.length < 104 {
		return header{}, fmt.Errorf("%w: a header of %d bytes", ErrFormat, h.length)
	}
	if h.length > 104 && len(b) > 104 {
		h.compression = Compression(b[104])
	}
	return h, nil
}
