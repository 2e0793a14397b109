// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxInodes bounds the number of inodes in use that a check remembers.
const maxInodes = 1 << 24

// Check checks the file system as e2fsck -n does, without repairing: checksums,
// group descriptors, inodes and their blocks, directories, link counts, bitmaps and
// the counts in descriptors and superblock. Not checked: file systems whose journal
// must be replayed first or is on another device, the contents of quota files, and
// encrypted files. If ctx ends early, the list of problems is incomplete.
func (f *FS) Check(ctx context.Context) []damage.Problem {
	c := &checker{
		f: f, blocks: bitset{}, inodes: map[uint32]*state{}, attrs: map[int64]int{},
		clusters: bitset{}, attrBlocks: map[int64]int64{}, values: map[uint32]uint64{}, bad: bitset{}, copies: bitset{}, itables: bitset{}, unread: map[uint32]bool{},
	}
	c.super()
	switch {
	case f.s.Incompat&incompatRecover != 0:
		c.AddUnread("journal", "the file system was not unmounted, and its journal holds changes that are not yet in it: mount it once, or run e2fsck")
		return c.Problems()
	case f.blocks > maxBlocks:
		c.AddUnread("file system", "it has %d blocks, too many to be checked", f.blocks)
		return c.Problems()
	}
	c.groups(ctx)
	c.tables(ctx)
	c.journal()
	c.orphans(ctx)
	c.resize()
	c.directories(ctx)
	c.references()
	c.attrCounts()
	c.valueCounts()
	c.bitmaps(ctx)
	if c.encrypted > 0 {
		c.AddUnread("file system", "%d files and directories are encrypted", c.encrypted)
	}
	return c.Problems()
}

// Features of a journal: revoke records, 64bit, asynchronous and fast commits, and
// two kinds of checksums.
const (
	journalSums     = 0x18
	journalIncompat = 0x27 | journalSums
)

// checker has what a check has found out.
type checker struct {
	damage.List
	f           *FS
	blocks      bitset             // in use, according to what uses them
	inodes      map[uint32]*state  // in use, according to their link counts
	groupInodes map[int64][]uint32 // the same by group
	attrs       map[int64]int      // attribute blocks: number of inodes that refer to them
	attrBlocks  map[int64]int64    // attribute blocks: space for values in inodes
	values      map[uint32]uint64  // inodes with attribute values: number of attributes that refer to them
	clusters    bitset             // of files, with bigalloc
	bad         bitset             // bad blocks of the device
	copies      bitset             // blocks of copies of the superblock and descriptors
	itables     bitset             // blocks of inode tables
	unread      map[uint32]bool    // inodes in bad blocks
	encrypted   int
}

// state is what is known about an inode in use.
type state struct {
	kind      uint32 // type bits of its mode
	links     uint16
	own       bool   // the file system's own, in no directory
	elsewhere bool   // named by another system, and perhaps by directories
	visited   bool   // a directory that was gone into
	refs      uint32 // names, . and .. included
}

// bitset is a set of blocks in pieces of 32768, of which only those exist that
// have a member.
type bitset map[int64]*[512]uint64

// add adds a block and reports whether it is new.
func (s bitset) add(n int64) bool {
	p := s[n>>15]
	if p == nil {
		p = new([512]uint64)
		s[n>>15] = p
	}
	w, bit := n>>6&511, uint64(1)<<(n&63)
	fresh := p[w]&bit == 0
	p[w] |= bit
	return fresh
}

// has reports whether a block is a member.
func (s bitset) has(n int64) bool {
	p := s[n>>15]
	return p != nil && p[n>>6&511]>>(n&63)&1 != 0
}

// bitmap is the members among the n blocks from start on, in a block of size
// bytes.
func (s bitset) bitmap(start, n, size int64) []byte {
	out := make([]byte, size)
	for b := start; b < start+n; {
		p := s[b>>15]
		end := min(start+n, (b>>15+1)<<15)
		if p == nil {
			b = end
			continue
		}
		for ; b < end; b++ {
			if p[b>>6&511]>>(b&63)&1 != 0 {
				out[(b-start)/8] |= 1 << ((b - start) % 8)
			}
		}
	}
	return out
}

// claim notes that what uses n blocks from start on. It reports whether all of
// them exist and were free.
func (c *checker) claim(what string, start, n int64) bool {
	if start < c.f.first || n > c.f.blocks-start {
		c.Add(what, "it has blocks %d to %d, and there are %d", start, start+n-1, c.f.blocks)
		return false
	}
	twice := int64(0)
	for b := start; b < start+n; b++ {
		if !c.blocks.add(b) {
			twice++
		}
	}
	if twice > 0 {
		c.Add(what, "%d of the blocks %d to %d are in use elsewhere, too", twice, start, start+n-1)
	}
	return twice == 0
}

// claimData claims blocks of a file's content. File systems that are never
// written to (shared_blocks) may have them in several files.
func (c *checker) claimData(what string, start, n int64) bool {
	if c.f.s.ROCompat&roCompatSharedBlocks == 0 || start < c.f.first || n > c.f.blocks-start {
		return c.claim(what, start, n)
	}
	for b := start; b < start+n; b++ {
		c.blocks.add(b)
	}
	return true
}

func inodeName(ino uint32) string {
	switch ino {
	case badIno:
		return "list of bad blocks"
	case rootIno:
		return "/"
	case resizeIno:
		return "resize inode"
	case journalIno:
		return "journal"
	}
	return fmt.Sprintf("inode %d", ino)
}

// super checks the superblock and its copies.
func (c *checker) super() {
	f := c.f
	if sum := f.superSum(); f.metaSum && sum != f.s.Checksum {
		c.Add("superblock", "its checksum is %08x, and %08x is written in it", sum, f.s.Checksum)
	}
	if f.s.State&2 != 0 {
		c.Add("superblock", "the kernel has found errors and noted them")
	}
	c.unknown()
	c.extraSize()
	c.ownNumbers()
	if f.s.LastOrphan != 0 {
		c.Add("superblock", "inode %d was deleted while it was in use, and is still there", f.s.LastOrphan)
	}
	for g := int64(1); g < f.groups; g++ {
		if f.hasBackup(g) {
			c.backup(g)
		}
	}
	c.protection()
}

// backup checks the copy of the superblock in a group.
func (c *checker) backup(group int64) {
	where := fmt.Sprintf("superblock of group %d", group)
	b, err := c.f.read(c.f.groupStart(group))
	if err != nil {
		c.Add(where, "%v", err)
		return
	}
	b = b[:1024]
	switch {
	case le.Uint16(b[0x38:]) != superMagic:
		c.Add(where, "there is none")
	case c.f.metaSum && crc32c(^uint32(0), b[:1020]) != le.Uint32(b[1020:]):
		c.Add(where, "its checksum is wrong")
	case string(b[0x68:0x78]) != string(c.f.s.UUID[:]) || le.Uint32(b[4:]) != c.f.s.BlocksCount:
		c.Add(where, "it is that of another file system, or of another size")
	}
}

// ownInode reports whether an inode is the file system's own.
func (f *FS) ownInode(ino uint32) bool {
	return ino != rootIno && ino < f.firstIno() ||
		f.s.Compat&compatOrphanFile != 0 && ino == le.Uint32(f.raw[0x280:]) ||
		ino == le.Uint32(f.raw[0x26c:]) || ino == le.Uint32(f.raw[0x240:]) || ino == le.Uint32(f.raw[0x244:])
}

// journal checks the journal's superblock.
func (c *checker) journal() {
	f := c.f
	switch {
	case f.s.Compat&compatJournal == 0:
		if f.s.JournalIno != 0 || f.s.JournalDev != 0 || f.s.JournalUUID != [16]byte{} {
			c.Add("journal", "there is one, without the feature has_journal")
		}
		return
	case f.s.JournalIno == 0:
		c.AddUnread("journal", "it is on another device")
		return
	}
	n, err := f.record(f.s.JournalIno)
	if err != nil || n.kind() != tree.Regular || n.links() == 0 {
		c.Add("journal", "inode %d is none", f.s.JournalIno)
		return
	}
	b := make([]byte, 1024)
	if k, err := (&data{f, n}).ReadAt(b, 0); k < len(b) {
		c.Add("journal", "it cannot be read: %v", err)
		return
	}
	switch kind, length := be.Uint32(b[4:]), int64(be.Uint32(b[0x10:])); {
	case be.Uint32(b) != journalMagic || kind != 3 && kind != journalSuperV2:
		c.Add("journal", "it does not begin with its superblock")
	case int64(be.Uint32(b[0x0c:])) != f.block:
		c.Add("journal", "its blocks have %d bytes", be.Uint32(b[0x0c:]))
	case length > n.size()/f.block:
		c.Add("journal", "it says that it has %d blocks, and has %d", length, n.size()/f.block)
	case kind == 3 && be.Uint32(b[0x24:])|be.Uint32(b[0x28:])|be.Uint32(b[0x2c:])|be.Uint32(b[0x40:]) != 0 || be.Uint32(b[0x40:]) > 1:
		c.Add("journal", "its superblock has fields of a later version, or several file systems that use it")
	case be.Uint32(b[0x28:])&^journalIncompat != 0 || be.Uint32(b[0x2c:]) != 0:
		c.Add("journal", "it has features (incompat %#x) that are not known", be.Uint32(b[0x28:]))
	case be.Uint32(b[0x28:])&journalSums != 0 && !journalSum(b):
		c.Add("journal", "the checksum of its superblock is wrong")
	case be.Uint32(b[0x1c:]) != 0 || be.Uint32(b[0x20:]) != 0:
		c.Add("journal", "it is not empty, and the superblock says that it is; or the kernel noted an error in it")
	case be.Uint32(b[0x14:]) == 0 || int64(be.Uint32(b[0x14:])) >= length:
		c.Add("journal", "its log begins at block %d of %d", be.Uint32(b[0x14:]), length)
	}
}

// journalSum reports whether the checksum of a journal's superblock is right.
func journalSum(b []byte) bool {
	want := be.Uint32(b[0xfc:])
	clear(b[0xfc:0x100])
	return crc32c(^uint32(0), b) == want
}
