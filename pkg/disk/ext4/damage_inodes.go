// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

const flagHugeFile = 0x40000 // i_blocks counts blocks

// tables checks the inodes of all groups.
func (c *checker) tables(ctx context.Context) {
	f := c.f
	for g := int64(0); g < f.groups && ctx.Err() == nil; g++ {
		d, err := f.group(g)
		if err != nil || f.sums() && d.flags&groupInodeUninit != 0 {
			continue
		}
		n, n0 := int64(f.s.InodesPerGroup), int64(f.s.InodesPerGroup)
		if f.sums() {
			n -= min(d.unusedInodes, n)
		}
		for i := range n {
			ino := uint32(g*n0 + i + 1)
			if c.bad.has(d.inodeTable + i*f.inode/f.block) {
				c.unread[ino] = true
				continue
			}
			r, err := f.record(ino)
			if err != nil {
				c.Add(fmt.Sprintf("group %d", g), "its inode table cannot be read: %v", err)
				break
			}
			if len(c.inodes) == maxInodes {
				c.Add("inodes", "more than %d are in use, and the rest is not checked", maxInodes)
				return
			}
			c.inode(r)
		}
	}
}

// inode checks one inode.
func (c *checker) inode(n record) {
	if isZero(n.raw) {
		return
	}
	f, where := c.f, inodeName(n.ino)
	if want, got := f.inodeSum(n); f.metaSum && want != got {
		c.Add(where, "its checksum is %08x, and %08x is written in it", want, got)
	}
	if n.ino == badIno {
		c.badBlocks(n)
		return
	}
	reserved := n.ino != rootIno && n.ino < f.firstIno()
	switch {
	case reserved && n.mode() == 0: // never used, or cleared
		return
	case n.links() == 0:
		if n.mode() != 0 && n.dtime() == 0 && !f.orphaned(n.ino) {
			c.Add(where, "it has no link and is not deleted")
		}
		return
	}
	c.inodes[n.ino] = &state{kind: n.kind(), links: uint16(n.links()), own: f.ownInode(n.ino), elsewhere: f.elsewhere(n)}
	switch n.kind() {
	case tree.Regular, tree.Dir, tree.Symlink, tree.Char, tree.Block, tree.FIFO, tree.Socket:
	default:
		c.Add(where, "it has the mode %#o", n.mode())
		return
	}
	if n.ino == resizeIno && f.s.Compat&compatResizeInode != 0 {
		return
	}
	c.flags(where, n)
	if x := n.extra(); x%4 != 0 || x > len(n.raw)-oldInodeSize {
		c.Add(where, "%d bytes are said to follow its first %d", x, oldInodeSize)
	}
	used := c.attributes(where, n)
	switch {
	case f.inline(n):
		c.inlineContent(where, n, used)
	case f.hasBlocks(n):
		c.content(where, n, used)
	default:
		c.sectors(where, n, used)
	}
}

// elsewhere reports whether an inode is referred to by another system, AFS, and not
// by a directory.
func (f *FS) elsewhere(n record) bool {
	return n.flags()&flagImagic != 0 && f.s.Compat&compatImagic != 0
}

// flags checks flags that require a feature, and notes encrypted inodes.
func (c *checker) flags(where string, n record) {
	f, flags := c.f, n.flags()
	if flags&flagInline != 0 && f.s.Incompat&incompatInlineData == 0 {
		c.Add(where, "it has its content in itself, without the feature inline_data")
	}
	if flags&flagExtents != 0 && f.s.Incompat&incompatExtents == 0 {
		c.Add(where, "it has extents, without the feature")
	}
	if flags&flagImagic != 0 && f.s.Compat&compatImagic == 0 {
		c.Add(where, "it is one of another system's (imagic), without the feature")
	}
	if flags&flagInline != 0 && flags&flagExtents != 0 {
		c.Add(where, "it has both extents and content in itself")
	}
	if flags&flagEncrypted != 0 && n.kind() != tree.Symlink && f.s.Incompat&incompatEncrypt == 0 {
		c.Add(where, "it is encrypted, without the feature")
	}
	if flags&flagEncrypted != 0 {
		c.encrypted++
	}
}

// sectors compares i_blocks with the number of blocks, or of their clusters, that
// were found.
func (c *checker) sectors(where string, n record, used int64) {
	f := c.f
	unit := f.block / sectorSize * f.ratio()
	if f.s.ROCompat&roCompatHugeFile != 0 && n.flags()&flagHugeFile != 0 {
		unit = f.ratio()
	}
	if n.sectors() != used*unit && f.s.Creator != creatorHurd {
		c.Add(where, "it says that it has %d sectors, and has %d", n.sectors(), used*unit)
	}
}

// creatorHurd is the creator number of the Hurd, whose inodes have other fields.
const creatorHurd = 1

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// inodeSum returns the checksum that an inode should have and the one that it has.
func (f *FS) inodeSum(n record) (want, got uint32) {
	p := bytes.Clone(n.raw)
	le.PutUint16(p[inodeChecksumLow:], 0)
	high := n.extra() >= 4
	if high {
		le.PutUint16(p[inodeChecksumHi:], 0)
	}
	want, got = crc32c(f.inodeSeed(n), p), uint32(le.Uint16(n.raw[inodeChecksumLow:]))
	if high {
		return want, got | uint32(le.Uint16(n.raw[inodeChecksumHi:]))<<16
	}
	return want & 0xFFFF, got
}
