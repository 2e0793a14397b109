// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
)

// The on-disk format of EROFS, after the kernel's fs/erofs/erofs_fs.h; all
// integers are little endian.

var le = binary.LittleEndian

const (
	blockLog    = 12 // block size that is written
	blockSize   = 1 << blockLog
	superOffset = 1024
	superSize   = 128
	magic       = 0xe0f5e1e2
	nidSize     = 32 // unit of node ids in bytes
	maxName     = 255
	labelSize   = 15 // bytes of the volume's name, followed by a NUL
	maxBlocks   = 1<<32 - 1
	noBlock     = 1<<32 - 1 // a hole in a map of chunks
	direntSize  = 12
)

// Features that older kernels can ignore.
const (
	compatChecksum = 0x1
	compatMtime    = 0x2 // the time in an inode is that of the content
)

// Features that a kernel has to support.
const (
	incompatPadding = 0x1  // of compressed blocks, in front
	incompatConfigs = 0x2  // of compressions
	incompatChunks  = 0x4  // files in chunks; Linux 5.15
	incompatTails   = 0x10 // compressed ones inline
	incompatParts   = 0x20 // fragments, deduplication
)

// superblock is struct erofs_super_block.
type superblock struct {
	Magic, Checksum, Compat uint32
	BlockLog, ExtSlots      uint8
	RootNid                 uint16
	Inodes, Time            uint64 // seconds since 1970
	Nsec                    uint32
	Blocks                  uint32
	MetaBlock, XattrBlock   uint32 // places of node ids and shared attributes
	UUID, Label             [16]byte
	Incompat                uint32
	Compressions, Devices   uint16
	DeviceSlot              uint16
	DirBlockLog, Prefixes   uint8
	PrefixStart             uint32
	PackedNid               uint64
	_                       [24]byte
}

func (s *superblock) bytes() []byte {
	var b bytes.Buffer
	binary.Write(&b, le, s) // a write of fixed size to memory cannot fail
	return b.Bytes()
}

// parse is the opposite of bytes.
func (s *superblock) parse(b []byte) {
	binary.Read(bytes.NewReader(b), le, s) // a read of fixed size from memory cannot fail
}

// checksum is the checksum of the first block from the superblock on, with zeros in
// place of the checksum. The kernel's crc32c does not invert its result.
func checksum(b []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Checksum(b[:4], table)
	sum = crc32.Update(sum, table, make([]byte, 4))
	return ^crc32.Update(sum, table, b[8:])
}

// compactInode is struct erofs_inode_compact: its time is that of the superblock.
type compactInode struct {
	Format, XattrCount, Mode, Links uint16
	Size                            uint32
	_                               uint32
	Place, Ino                      uint32
	UID, GID                        uint16
	_                               uint32
}

// extendedInode is struct erofs_inode_extended.
type extendedInode struct {
	Format, XattrCount, Mode, _ uint16
	Size                        uint64
	Place                       uint32 // first block, device number, or format of chunks
	Ino, UID, GID               uint32
	Mtime                       int64
	MtimeNsec                   uint32
	Links                       uint32
	_                           [16]byte
}

const (
	compactSize  = 32
	extendedSize = 64
)

// Layouts of an inode's data, in bits 1 to 3 of its format; bit 0 is for extended.
const (
	layoutPlain          = 0 // contiguous blocks
	layoutCompressedFull = 1
	layoutInline         = 2 // the same, with the tail after the inode
	layoutCompressed     = 3
	layoutChunks         = 4
)

// Format of chunks.
const (
	chunkLogMask = 0x1f // their size in blocks, as a power of 2
	chunkIndexes = 0x20 // 8 bytes for each instead of 4
)

// fileType is the type in an entry of a directory.
func fileType(mode uint32) uint8 {
	return [16]uint8{8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7}[mode>>12&15]
}

func up(n, to int64) int64 { return (n + to - 1) / to * to }
