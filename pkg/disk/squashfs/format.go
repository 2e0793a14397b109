// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"encoding/binary"
)

// The on-disk format of squashfs 4.0, after the kernel's fs/squashfs/
// squashfs_fs.h; all integers are little endian.

var le = binary.LittleEndian

const (
	blockLog     = 17 // 128 KiB
	blockSize    = 1 << blockLog
	metaSize     = 8192 // of a block of metadata, uncompressed
	superSize    = 96
	magic        = 0x73717368
	align        = 4096 // of the image's size
	maxName      = 255
	maxFile      = 1 << 42 // of a file, whose list of blocks takes 128 MiB
	maxIDs       = 65535
	dirRun       = 256     // entries after one header
	dotsSize     = 3       // what the size of a directory includes for . and ..
	rawBlock     = 1 << 24 // in the size of a block of data: not compressed
	rawMeta      = 1 << 15 // in the size of a block of metadata
	noFragment   = 0xffffffff
	noXattrs     = 0xffffffff
	noTable      = 0xffffffffffffffff
	fragmentSize = 16 // of an entry of the fragment table
)

// superblock is struct squashfs_super_block.
type superblock struct {
	Magic, Inodes, Time, BlockSize, Fragments       uint32
	Compression, BlockLog, Flags, IDs, Major, Minor uint16
	Root                                            uint64 // reference of an inode
	Size                                            uint64 // in bytes
	IDTable, XattrTable, InodeTable, DirTable       uint64 // offsets
	FragmentTable, ExportTable                      uint64
}

const (
	flagNoFragments = 0x10
	flagDuplicates  = 0x40
	flagExport      = 0x80
)

func (s *superblock) bytes() []byte {
	var b bytes.Buffer
	binary.Write(&b, le, s) // a write of fixed size to memory cannot fail
	return b.Bytes()
}

// parse is the opposite of bytes.
func (s *superblock) parse(b []byte) {
	binary.Read(bytes.NewReader(b), le, s) // a read of fixed size from memory cannot fail
}

// Types of inodes; each has an extended form whose number is higher by
// typeExtended.
const (
	typeDir = 1 + iota
	typeFile
	typeSymlink
	typeBlock
	typeChar
	typeFIFO
	typeSocket

	typeExtended = 7
)
