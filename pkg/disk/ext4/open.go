// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// ErrFormat is wrapped by errors about data that is not an ext4 file system, a
// damaged one, or one with features that this package does not support.
var ErrFormat = errors.New("not a readable ext4 file system")

func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// FS reads a file system of the ext family, including ext2 and ext3. It is safe for
// concurrent use. For a hostile file system, memory use is proportional to the
// contents of its directories, and time to its size.
type FS struct {
	r       io.ReaderAt
	s       superblock
	raw     []byte // the superblock as read
	block   int64  // bytes in a block
	blocks  int64
	first   int64 // block with which group 0 starts
	groups  int64
	inode   int64  // bytes in an inode
	desc    int64  // bytes in a group descriptor
	seed    uint32 // for all checksums
	mu      sync.Mutex
	cached  [cacheSlots]cachedBlock
	metaSum bool // metadata_csum
}

const cacheSlots = 128

// cachedBlock is a block of metadata; block 0 is never cached.
type cachedBlock struct {
	no   int64
	data []byte
}

const (
	oldInodeSize = 128
	oldDescSize  = 32
	oldFirstIno  = 11
	seedOffset   = 0x270
)

// Open reads the superblock of a file system on a device of size bytes.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	raw := make([]byte, 1024)
	if n, err := r.ReadAt(raw, superOffset); n < len(raw) {
		if err == io.EOF {
			return nil, formatError("%d bytes are too few", size)
		}
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	f := &FS{r: r, raw: raw}
	if _, err := binary.Decode(raw, le, &f.s); err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
	}
	if f.s.Magic != superMagic {
		return nil, formatError("no superblock")
	}
	if f.s.Revision == 0 { // this revision has no features, whatever the fields contain
		f.s.Compat, f.s.Incompat, f.s.ROCompat = 0, 0, 0
	}
	if err := f.features(); err != nil {
		return nil, err
	}
	if err := f.geometry(size); err != nil {
		return nil, err
	}
	if s := le.Uint32(raw[seedOffset:]); f.s.Incompat&incompatSeed != 0 {
		f.seed = s
	} else {
		f.seed = crc32c(^uint32(0), f.s.UUID[:])
	}
	f.metaSum = f.s.ROCompat&roCompatMetadataCsum != 0
	return f, nil
}

// geometry reads sizes and checks that nothing computed from them is outside the
// device.
func (f *FS) geometry(size int64) error {
	s := &f.s
	if s.LogBlockSize > 6 {
		return formatError("blocks of 2^%d KiB", s.LogBlockSize)
	}
	f.block = 1024 << s.LogBlockSize
	f.blocks = int64(s.BlocksCount)
	if s.Incompat&incompat64bit != 0 {
		f.blocks |= int64(s.BlocksCountHigh) << 32
	}
	f.inode, f.desc, f.first = int64(s.InodeSize), oldDescSize, int64(s.FirstDataBlock)
	if s.Revision == 0 {
		f.inode = oldInodeSize
	}
	if s.Incompat&incompat64bit != 0 {
		f.desc = int64(s.DescSize)
	}
	switch {
	case f.blocks <= f.first || f.blocks > size/f.block:
		return formatError("it has %d blocks of %d bytes, on a device of %d bytes", f.blocks, f.block, size)
	case f.first > 1 || f.first == 1 && f.block != 1024 || f.first == 0 && f.block == 1024 && !f.bigalloc():
		return formatError("its first block is %d", f.first)
	case f.bigalloc() && (s.LogClusterSize < s.LogBlockSize || s.LogClusterSize > 20 || int64(s.BlocksPerGroup)%(8*f.ratio()) != 0):
		return formatError("clusters of 2^%d KiB, blocks of 2^%d KiB", s.LogClusterSize, s.LogBlockSize)
	case f.inode < oldInodeSize || f.inode > f.block || f.inode&(f.inode-1) != 0:
		return formatError("inodes of %d bytes", f.inode)
	case f.desc < oldDescSize || f.desc > f.block || f.desc&(f.desc-1) != 0:
		return formatError("group descriptors of %d bytes", f.desc)
	case s.BlocksPerGroup < 256 || s.BlocksPerGroup%8 != 0 || int64(s.BlocksPerGroup) > f.perGroup():
		return formatError("groups of %d blocks", s.BlocksPerGroup)
	case s.InodesPerGroup == 0 || int64(s.InodesPerGroup) > 8*f.block:
		return formatError("%d inodes in a group", s.InodesPerGroup)
	}
	f.groups = (f.blocks - f.first + int64(s.BlocksPerGroup) - 1) / int64(s.BlocksPerGroup)
	if want := f.groups * int64(s.InodesPerGroup); int64(s.InodesCount) != want {
		return formatError("it has %d inodes, and its groups hold %d", s.InodesCount, want)
	}
	return nil
}

// perGroup is the largest number of blocks that a group's bitmap can cover.
func (f *FS) perGroup() int64 {
	return 8 * f.block * f.ratio()
}

// Label of the file system.
func (f *FS) Label() string { return text(f.s.Label[:]) }

// ID is the file system's UUID.
func (f *FS) ID() string {
	u := f.s.UUID
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Kind is ext2, ext3 or ext4, distinguished as in blkid.
func (f *FS) Kind() string {
	switch {
	case f.s.Incompat&^(incompatFiletype|incompatRecover|incompatMetaBG) != 0, f.s.ROCompat&^(roCompatSparseSuper|roCompatLargeFile) != 0:
		return "ext4"
	case f.s.Compat&compatJournal != 0:
		return "ext3"
	}
	return "ext2"
}

// End is the end of the file system on its device, in bytes.
func (f *FS) End() int64 { return f.blocks * f.block }

// Usage is the size of the file system and how much of it is in use, in bytes,
// according to the superblock.
func (f *FS) Usage() (size, used int64, err error) {
	return f.blocks * f.block, max(f.blocks-f.freeBlocks(), 0) * f.block, nil
}

// freeBlocks is the number in the superblock.
func (f *FS) freeBlocks() int64 {
	free := int64(f.s.FreeBlocks)
	if f.s.Incompat&incompat64bit != 0 {
		free |= int64(f.s.FreeBlocksHigh) << 32
	}
	return free
}

// text is a field that NUL ends.
func text(b []byte) string {
	b, _, _ = bytes.Cut(b, []byte{0})
	return strings.ToValidUTF8(string(b), "\uFFFD")
}

// read returns a block of metadata, which must not be changed.
func (f *FS) read(no int64) ([]byte, error) {
	if no < f.first || no >= f.blocks {
		return nil, formatError("block %d is named, and there are %d", no, f.blocks)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	c := &f.cached[no%cacheSlots]
	if c.no == no && c.data != nil {
		return c.data, nil
	}
	b := make([]byte, f.block)
	if n, err := f.r.ReadAt(b, no*f.block); n < len(b) {
		return nil, fmt.Errorf("read block %d: %w", no, err)
	}
	c.no, c.data = no, b
	return b, nil
}

// hasBackup reports whether a group has a copy of the superblock.
func (f *FS) hasBackup(group int64) bool {
	switch {
	case f.s.Compat&compatSparseSuper2 != 0:
		return group == 0 || group == int64(le.Uint32(f.raw[0x24c:])) || group == int64(le.Uint32(f.raw[0x250:]))
	case f.s.ROCompat&roCompatSparseSuper != 0:
		return hasSuper(group)
	}
	return true
}

// groupStart is the first block of a group.
func (f *FS) groupStart(group int64) int64 { return f.first + group*int64(f.s.BlocksPerGroup) }

// superBlock is the block of a group that has, or would have, a copy of the
// superblock: with blocks of 1 KiB and numbers from 0, that of group 0 is the
// second.
func (f *FS) superBlock(group int64) int64 {
	if group == 0 {
		return superOffset / f.block
	}
	return f.groupStart(group)
}

// descBlock is the block that has a group's descriptor.
func (f *FS) descBlock(group int64) int64 {
	per := f.block / f.desc
	meta := group / per
	if f.s.Incompat&incompatMetaBG == 0 || meta < int64(f.s.FirstMetaBG) {
		return f.superBlock(0) + 1 + meta
	}
	at := f.superBlock(meta * per)
	if f.hasBackup(meta * per) {
		at++
	}
	return at
}

// rawDesc is a group's descriptor as it is on the device.
func (f *FS) rawDesc(group int64) ([]byte, error) {
	b, err := f.read(f.descBlock(group))
	if err != nil {
		return nil, fmt.Errorf("descriptor of group %d: %w", group, err)
	}
	return b[group%(f.block/f.desc)*f.desc:][:f.desc], nil
}

// group reads a group's descriptor.
func (f *FS) group(group int64) (groupDesc, error) {
	b, err := f.rawDesc(group)
	if err != nil {
		return groupDesc{}, err
	}
	return parseDesc(b), nil
}

// parseDesc parses the output of groupDesc.put, and the shorter form.
func parseDesc(b []byte) groupDesc {
	low16 := func(off int) int64 { return int64(le.Uint16(b[off:])) }
	d := groupDesc{
		blockBitmap: int64(le.Uint32(b[0x00:])), inodeBitmap: int64(le.Uint32(b[0x04:])), inodeTable: int64(le.Uint32(b[0x08:])),
		freeBlocks: low16(0x0c), freeInodes: low16(0x0e), usedDirs: low16(0x10), unusedInodes: low16(0x1c),
		flags: le.Uint16(b[0x12:]), blockBitmapSum: uint32(low16(0x18)), inodeBitmapSum: uint32(low16(0x1a)),
	}
	if len(b) < descSize {
		return d
	}
	d.blockBitmap |= int64(le.Uint32(b[0x20:])) << 32
	d.inodeBitmap |= int64(le.Uint32(b[0x24:])) << 32
	d.inodeTable |= int64(le.Uint32(b[0x28:])) << 32
	d.freeBlocks |= low16(0x2c) << 16
	d.freeInodes |= low16(0x2e) << 16
	d.usedDirs |= low16(0x30) << 16
	d.unusedInodes |= low16(0x32) << 16
	d.blockBitmapSum |= uint32(low16(0x38)) << 16
	d.inodeBitmapSum |= uint32(low16(0x3a)) << 16
	return d
}
