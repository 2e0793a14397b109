// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"encoding/binary"
	"sort"
)

// newSuper is the superblock without backup number and checksum.
func (l *layout) newSuper(freeBlocks int64) superblock {
	g, o := l.geo, &l.opts
	t := uint64(max(o.Time, 0))
	overhead := g.journal
	for _, s := range g.fixed {
		overhead += s.end - s.start
	}
	s := superblock{
		InodesCount:    uint32(g.groups * g.groupInodes),
		BlocksCount:    uint32(g.blocks),
		ReservedBlocks: uint32(g.reserved),
		FreeBlocks:     uint32(freeBlocks),
		FreeInodes:     uint32(g.groups*g.groupInodes - l.lastIno()),
		LogBlockSize:   2, LogClusterSize: 2,
		BlocksPerGroup: groupBlocks, ClustersPerGroup: groupBlocks, InodesPerGroup: uint32(g.groupInodes),
		Wtime: uint32(t), WtimeHigh: uint8(t >> 32),
		MaxMountCount: 0xffff,
		Magic:         superMagic, State: 1, Errors: 1,
		LastCheck: uint32(t), LastCheckHigh: uint8(t >> 32),
		Revision: 1,
		FirstIno: lostFoundIno, InodeSize: inodeSize,
		Compat:      compatJournal | compatExtAttr | compatResizeInode | compatDirIndex,
		Incompat:    incompatFiletype | incompatExtents | incompat64bit | incompatFlexBG,
		ROCompat:    roCompatSparseSuper | roCompatLargeFile | roCompatHugeFile | roCompatDirNlink | roCompatExtraIsize | roCompatMetadataCsum,
		UUID:        o.UUID,
		ReservedGDT: uint16(g.reservedGDT),
		JournalIno:  journalIno, JournalBackup: 1,
		HashSeed: o.HashSeed, HashVersion: hashHalfMD4, Flags: flagSignedHash,
		DescSize: descSize, MountOptions: mountXattrACL,
		MkfsTime: uint32(t), MkfsTimeHigh: uint8(t >> 32),
		MinExtraIsize: extraIsize, WantExtraIsize: extraIsize,
		LogGroupsPerFlex: 4, ChecksumType: 1,
		OverheadBlocks: uint32(overhead),
	}
	if !l.sums() {
		s.Incompat &^= incompat64bit
		s.ROCompat = s.ROCompat&^roCompatMetadataCsum | roCompatGDTCsum
		s.DescSize, s.ChecksumType = 0, 0
	}
	copy(s.Label[:], o.Label)
	var root [60]byte
	l.journal.putRoot(root[:])
	for i := range 15 {
		s.JournalBlocks[i] = le.Uint32(root[4*i:])
	}
	s.JournalBlocks[16] = uint32(g.journal * blockSize)
	return s
}

// putSuper writes block k of the superblock's copy in a group: the superblock
// itself, at byte 1024 in group 0, then the descriptors.
func (l *layout) putSuper(p []byte, group, k int64) {
	if k > 0 {
		copy(p, l.desc[min((k-1)*blockSize, int64(len(l.desc))):])
		return
	}
	s := l.super
	s.BlockGroup = uint16(group)
	var b bytes.Buffer
	binary.Write(&b, le, &s) // a write of fixed size to memory cannot fail
	raw := b.Bytes()
	if l.sums() {
		le.PutUint32(raw[len(raw)-4:], crc32c(^uint32(0), raw[:len(raw)-4]))
	}
	if group == 0 {
		p = p[superOffset:]
	}
	copy(p, raw)
}

// describe computes group descriptors, superblock and regions of a layout that
// fits.
func (l *layout) describe() {
	g := l.geo
	l.seed = crc32c(^uint32(0), l.opts.UUID[:])
	l.spans = l.usedSpans()
	dirs := make([]int64, g.groups)
	for i := range l.dirs {
		dirs[int64(l.ino[l.dirs[i].entry]-1)/g.groupInodes]++
	}
	l.desc = make([]byte, g.groups*g.descSize)
	block := make([]byte, blockSize)
	free := int64(0)
	for i := range g.groups {
		d := groupDesc{
			blockBitmap: int64(g.blockBitmap[i]), inodeBitmap: int64(g.inodeBitmap[i]), inodeTable: int64(g.inodeTable[i]),
			freeBlocks:   g.groupSize(i) - l.usedIn(i),
			freeInodes:   g.groupInodes - l.usedInodes(i),
			unusedInodes: g.groupInodes - l.usedInodes(i),
			usedDirs:     dirs[i],
			flags:        groupInodeZeroed,
		}
		if l.blockUninit(i) {
			d.flags |= groupBlockUninit
		} else {
			l.putBlockBitmap(block, i)
			d.blockBitmapSum = crc32c(l.seed, block)
		}
		if l.usedInodes(i) == 0 {
			d.flags |= groupInodeUninit
		} else {
			l.putInodeBitmap(block, i)
			d.inodeBitmapSum = crc32c(l.seed, block[:g.groupInodes/8])
		}
		if !l.sums() {
			d.blockBitmapSum, d.inodeBitmapSum = 0, 0
		}
		p := l.desc[i*g.descSize : (i+1)*g.descSize]
		d.put(p)
		le.PutUint16(p[descChecksum:], l.descSum(i, p))
		free += d.freeBlocks
	}
	l.super = l.newSuper(free)
	l.addRegions()
}

// usedSpans are the blocks in use: the tables, and everything between them up to
// the allocator's end.
func (l *layout) usedSpans() []span {
	left := l.used
	for _, s := range l.geo.fixed {
		left -= s.end - s.start
	}
	out := make([]span, 0, len(l.geo.fixed)+1)
	next := int64(0)
	for _, s := range l.geo.fixed {
		n := min(left, s.start-next)
		out = append(out, span{next, next + n}, s)
		left -= n
		next = s.end
	}
	return mergeSpans(append(out, span{next, next + left}))
}

// groupSize is the number of blocks in a group.
func (g *geometry) groupSize(group int64) int64 {
	return min(groupBlocks, g.blocks-group*groupBlocks)
}

// eachUsed calls f for the runs of blocks in use in a group, relative to the group.
func (l *layout) eachUsed(group int64, f func(start, end int64)) {
	first := group * groupBlocks
	last := first + l.geo.groupSize(group)
	k := sort.Search(len(l.spans), func(k int) bool { return l.spans[k].end > first })
	for ; k < len(l.spans) && l.spans[k].start < last; k++ {
		start, end := max(l.spans[k].start, first), min(l.spans[k].end, last)
		if start < end {
			f(start-first, end-first)
		}
	}
}

// usedIn counts the blocks in use in a group.
func (l *layout) usedIn(group int64) int64 {
	n := int64(0)
	l.eachUsed(group, func(start, end int64) { n += end - start })
	return n
}

// blockUninit reports whether the kernel can generate a group's block bitmap: the
// group contains only a copy of the superblock. The last group must have a bitmap.
func (l *layout) blockUninit(group int64) bool {
	own := int64(0)
	if hasSuper(group) {
		own = l.geo.superBlocks()
	}
	return group < l.geo.groups-1 && l.usedIn(group) == own
}

// usedInodes counts the inodes in use in a group, which are its first.
func (l *layout) usedInodes(group int64) int64 {
	return min(max(l.lastIno()-group*l.geo.groupInodes, 0), l.geo.groupInodes)
}

// putBlockBitmap writes a group's block bitmap over p. Bits after the group's end
// are set.
func (l *layout) putBlockBitmap(p []byte, group int64) {
	clear(p)
	l.eachUsed(group, func(start, end int64) { setBits(p, start, end) })
	setBits(p, l.geo.groupSize(group), groupBlocks)
}

// putInodeBitmap writes a group's inode bitmap over p. Bits after the last inode of
// a group are set.
func (l *layout) putInodeBitmap(p []byte, group int64) {
	clear(p)
	setBits(p, 0, l.usedInodes(group))
	setBits(p, l.geo.groupInodes, 8*blockSize)
}

// setBits sets the bits from start to end.
func setBits(p []byte, start, end int64) {
	for ; start < end && start%8 != 0; start++ {
		p[start/8] |= 1 << (start % 8)
	}
	for ; start+8 <= end; start += 8 {
		p[start/8] = 0xff
	}
	for ; start < end; start++ {
		p[start/8] |= 1 << (start % 8)
	}
}
