// SPDX-License-Identifier: MPL-2.0

package ext4

import "encoding/binary"

// The on-disk format is described in the kernel's Documentation/filesystems/ext4;
// all integers are little endian, except for those of the journal.

var le, be = binary.LittleEndian, binary.BigEndian

const (
	blockSize   = 4096
	sectorSize  = 512   // unit of i_blocks
	groupBlocks = 32768 // one block of bitmap
	inodeSize   = 256
	blockInodes = blockSize / inodeSize
	groupInodes = 32768 // at most, one block of bitmap
	descSize    = 64    // with 64bit
	descSize32  = 32    // without
	flexGroups  = 16    // groups whose bitmaps and inode tables are placed together
	blockPtrs   = 1024  // 32-bit block numbers in a block
	maxBlocks   = 1<<32 - 1
	maxLinks    = 65000
	maxName     = 255
	maxTarget   = blockSize - 1
	inlineLink  = 60 // shorter symbolic links are in the inode
	superOffset = 1024
)

// Inodes with a fixed number.
const (
	rootIno      = 2
	resizeIno    = 7
	journalIno   = 8
	lostFoundIno = 11 // s_first_ino, as mke2fs numbers it
	firstIno     = 12 // of the tree's entries
)

const lostFoundBlocks = 4

// superblock is struct ext4_super_block: 1024 bytes at byte 1024 of the file
// system, and at the start of the groups with a backup.
type superblock struct {
	InodesCount, BlocksCount, ReservedBlocks, FreeBlocks uint32 // 0x00
	FreeInodes, FirstDataBlock                           uint32 // 0x10
	LogBlockSize, LogClusterSize                         uint32 // 0x18
	BlocksPerGroup, ClustersPerGroup, InodesPerGroup     uint32 // 0x20
	Mtime, Wtime                                         uint32 // 0x2c
	MountCount, MaxMountCount                            uint16 // 0x34
	Magic, State, Errors, MinorRevision                  uint16 // 0x38
	LastCheck, CheckInterval, Creator, Revision          uint32 // 0x40
	DefaultUID, DefaultGID                               uint16 // 0x50
	FirstIno                                             uint32 // 0x54
	InodeSize, BlockGroup                                uint16 // 0x58
	Compat, Incompat, ROCompat                           uint32 // 0x5c
	UUID, Label                                          [16]byte
	_                                                    [70]byte // 0x88 last mounted, preallocation
	ReservedGDT                                          uint16   // 0xce
	JournalUUID                                          [16]byte
	JournalIno, JournalDev, LastOrphan                   uint32 // 0xe0
	HashSeed                                             [16]byte
	HashVersion, JournalBackup                           uint8  // 0xfc
	DescSize                                             uint16 // 0xfe
	MountOptions, FirstMetaBG, MkfsTime                  uint32 // 0x100
	JournalBlocks                                        [17]uint32
	BlocksCountHigh, ReservedBlocksHigh, FreeBlocksHigh  uint32 // 0x150
	MinExtraIsize, WantExtraIsize                        uint16 // 0x15c
	Flags                                                uint32 // 0x160
	_                                                    [16]byte
	LogGroupsPerFlex, ChecksumType                       uint8 // 0x174
	_                                                    [2]byte
	KbytesWritten                                        uint64 // 0x178
	_                                                    [200]byte
	OverheadBlocks                                       uint32 // 0x248
	_                                                    [40]byte
	WtimeHigh, MtimeHigh, MkfsTimeHigh, LastCheckHigh    uint8 // 0x274
	_                                                    [388]byte
	Checksum                                             uint32 // 0x3fc
}

// Values of superblock fields.
const (
	superMagic = 0xef53

	compatJournal     = 0x4
	compatExtAttr     = 0x8
	compatResizeInode = 0x10
	compatDirIndex    = 0x20

	incompatFiletype = 0x2
	incompatExtents  = 0x40
	incompat64bit    = 0x80
	incompatFlexBG   = 0x200

	roCompatSparseSuper  = 0x1
	roCompatLargeFile    = 0x2
	roCompatHugeFile     = 0x8
	roCompatGDTCsum      = 0x10 // uninit_bg
	roCompatDirNlink     = 0x20
	roCompatExtraIsize   = 0x40
	roCompatMetadataCsum = 0x400

	hashHalfMD4    = 1
	flagSignedHash = 1
	mountXattrACL  = 0xc // user_xattr, acl
	extraIsize     = 32
)

// groupDesc is struct ext4_group_desc, without the fields that are zero here.
type groupDesc struct {
	blockBitmap, inodeBitmap, inodeTable int64 // blocks
	freeBlocks, freeInodes               int64
	usedDirs, unusedInodes               int64
	flags                                uint16
	blockBitmapSum, inodeBitmapSum       uint32
}

const (
	groupInodeUninit = 1
	groupBlockUninit = 2
	groupInodeZeroed = 4
)

// put writes the descriptor without its checksum (16 bits at 0x1e). A
// descriptor of 32 bytes has no upper halves: such file systems have no checksums of bitmaps.
func (d *groupDesc) put(p []byte) {
	le.PutUint32(p[0x00:], uint32(d.blockBitmap))
	le.PutUint32(p[0x04:], uint32(d.inodeBitmap))
	le.PutUint32(p[0x08:], uint32(d.inodeTable))
	le.PutUint16(p[0x0c:], uint16(d.freeBlocks))
	le.PutUint16(p[0x0e:], uint16(d.freeInodes))
	le.PutUint16(p[0x10:], uint16(d.usedDirs))
	le.PutUint16(p[0x12:], d.flags)
	le.PutUint16(p[0x18:], uint16(d.blockBitmapSum))
	le.PutUint16(p[0x1a:], uint16(d.inodeBitmapSum))
	le.PutUint16(p[0x1c:], uint16(d.unusedInodes))
	if len(p) == descSize32 {
		return
	}
	le.PutUint16(p[0x38:], uint16(d.blockBitmapSum>>16))
	le.PutUint16(p[0x3a:], uint16(d.inodeBitmapSum>>16))
}

const descChecksum = 0x1e

// inode is struct ext4_inode, without the fields that are zero here.
type inode struct {
	mode     uint16
	uid, gid uint32
	size     int64
	links    uint16
	sectors  int64 // 512 bytes
	flags    uint32
	block    [60]byte // extents, device number or target
	xattrs   uint32   // block
	time     uint64   // atime, ctime, mtime as extendedTime gives it
	crtime   uint64
}

const (
	inodeBlock       = 0x28 // offset of i_block
	inodeChecksumLow = 0x7c
	inodeExtra       = 0x80
	inodeChecksumHi  = 0x82
	inodeXattrs      = 0xa0

	flagIndex   = 0x1000
	flagExtents = 0x80000
)

// put writes the inode without its checksum and the attributes in its body.
func (n *inode) put(p []byte) {
	le.PutUint16(p[0x00:], n.mode)
	le.PutUint16(p[0x02:], uint16(n.uid))
	le.PutUint32(p[0x04:], uint32(n.size))
	le.PutUint16(p[0x18:], uint16(n.gid))
	le.PutUint16(p[0x1a:], n.links)
	le.PutUint32(p[0x1c:], uint32(n.sectors))
	le.PutUint32(p[0x20:], n.flags)
	copy(p[inodeBlock:], n.block[:])
	le.PutUint32(p[0x68:], n.xattrs)
	le.PutUint32(p[0x6c:], uint32(n.size>>32))
	le.PutUint16(p[0x74:], uint16(n.sectors>>32))
	le.PutUint16(p[0x78:], uint16(n.uid>>16))
	le.PutUint16(p[0x7a:], uint16(n.gid>>16))
	le.PutUint16(p[inodeExtra:], extraIsize)
	for _, off := range []int{0x08, 0x0c, 0x10} { // atime, ctime, mtime
		le.PutUint32(p[off:], uint32(n.time))
	}
	for _, off := range []int{0x84, 0x88, 0x8c} { // their upper halves
		le.PutUint32(p[off:], uint32(n.time>>32))
	}
	le.PutUint32(p[0x90:], uint32(n.crtime))
	le.PutUint32(p[0x94:], uint32(n.crtime>>32))
}

const maxTime = 3<<32 - 1<<31 - 1

// extendedTime is a time in the form of an inode: seconds in the lower 32 bits, two
// more bits of seconds above them, then 30 bits of nanoseconds. Times outside of
// 1901-12-13 to 2310-04-04 become the nearest one: the format ends in 2446, but
// e2fsck takes the last range for a fault of old kernels.
func extendedTime(sec int64, nsec int32) uint64 {
	if sec < -1<<31 {
		sec, nsec = -1<<31, 0
	}
	if sec > maxTime {
		sec, nsec = maxTime, 0
	}
	epoch := uint64(sec-int64(int32(sec))) >> 32 & 3
	return uint64(uint32(sec)) | epoch<<32 | uint64(uint32(nsec))<<34
}

// Extents: a header of 12 bytes and entries of 12 bytes, 4 of them in an
// inode, 340 and a checksum in a block.
const (
	extentMagic   = 0xf30a
	extentSize    = 12
	inodeExtents  = 4
	blockExtents  = 340
	maxExtent     = 32768 // blocks
	extentTailOff = extentSize + extentSize*blockExtents
)

// Directories: entries of 8 bytes and a name, padded to 4 bytes; a tail of
// the form of an entry holds the checksum.
const (
	direntHeader = 8
	direntTail   = 12
	direntSpace  = blockSize - direntTail
	tailType     = 0xde

	dxRootInfo    = 24 // offset of struct dx_root_info
	dxRootEntries = 32
	dxNodeEntries = 8
	dxTail        = 8
	dxRootLimit   = (blockSize - dxRootEntries - dxTail) / 8 // with checksums
	dxNodeLimit   = (blockSize - dxNodeEntries - dxTail) / 8
)

// Extended attributes: entries of 16 bytes and a name, padded to 4 bytes, from
// the start; values, padded to 4 bytes, from the end.
const (
	xattrMagic       = 0xea020000
	xattrEntry       = 16
	xattrEnd         = 4 // zero bytes after the last entry
	xattrInodeSpace  = inodeSize - inodeXattrs - 4
	xattrBlockHeader = 32
	xattrBlockSpace  = blockSize - xattrBlockHeader
)

// Journal: struct journal_superblock_s of version 2, big endian.
const (
	journalMagic   = 0xc03b3998
	journalSuperV2 = 4
)
