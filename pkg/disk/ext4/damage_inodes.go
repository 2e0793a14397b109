// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package ext4

import (
	"bytes"
	"context"
	"errors"
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
		n := int64(f.s.InodesPerGroup)
		if f.sums() {
			n -= min(d.unusedInodes, n)
		}
		for i := range n {
			r, err := f.record(uint32(g*int64(f.s.InodesPerGroup) + i + 1))
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
	if n.links() == 0 {
		if n.mode() != 0 && n.dtime() == 0 {
			c.Add(where, "it has no link and is not deleted")
		}
		return
	}
	c.inodes[n.ino] = &state{kind: n.kind(), links: uint16(n.links()), own: f.ownInode(n.ino)}
	switch n.kind() {
	case tree.Regular, tree.Dir, tree.Symlink, tree.Char, tree.Block, tree.FIFO, tree.Socket:
	default:
		c.Add(where, "it has the mode %#o", n.mode())
		return
	}
	if n.ino == resizeIno && f.s.Compat&compatResizeInode != 0 {
		return
	}
	if x := n.extra(); x%4 != 0 || x > len(n.raw)-oldInodeSize {
		c.Add(where, "%d bytes are said to follow its first %d", x, oldInodeSize)
	}
	used := c.attributes(where, n)
	if n.hasBlocks() {
		c.content(where, n, used)
	} else if want := used; n.sectors() != want*f.block/sectorSize {
		c.Add(where, "it says that it has %d sectors, and has %d", n.sectors(), want*f.block/sectorSize)
	}
}

func isZero(b []byte) bool { return len(bytes.TrimLeft(b, "\x00")) == 0 }

// inodeSum is the checksum that an inode should have and the one that it has.
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

// attributes checks the extended attributes and gives the blocks that they take.
func (c *checker) attributes(where string, n record) int64 {
	f := c.f
	if b := n.inodeXattrs(); b != nil {
		if err := eachXattr(b, 0, 0, func(xattr, uint32) {}); err != nil {
			c.Add(where, "%v", err)
		}
	}
	at := n.acl()
	if at == 0 {
		return 0
	}
	c.attrs[at]++
	if c.attrs[at] > 1 { // shared, and checked before
		return 1
	}
	if !c.claim(where, at, 1) {
		return 1
	}
	b, err := f.read(at)
	if err != nil {
		c.Add(where, "%v", err)
		return 1
	}
	if want := f.xattrSum(b, at); f.metaSum && want != le.Uint32(b[16:]) {
		c.Add(where, "its attributes, in block %d, have the checksum %08x, and %08x is written there", at, want, le.Uint32(b[16:]))
	}
	if le.Uint32(b) != xattrMagic || le.Uint32(b[8:]) != 1 {
		c.Add(where, "there are no attributes in block %d", at)
		return 1
	}
	if err := eachXattr(b, xattrBlockHeader, 0, func(xattr, uint32) {}); err != nil {
		c.Add(where, "%v", err)
	}
	return 1
}

// xattrSum is the checksum that a block of attributes should have.
func (f *FS) xattrSum(b []byte, at int64) uint32 {
	p := bytes.Clone(b)
	le.PutUint32(p[16:], 0)
	return crc32c(crc32cUint32(crc32cUint32(f.seed, uint32(at)), uint32(at>>32)), p)
}

// attrCounts checks how many inodes share each block of attributes.
func (c *checker) attrCounts() {
	for at, n := range c.attrs {
		if b, err := c.f.read(at); err == nil && int(le.Uint32(b[4:])) != n {
			c.Add(fmt.Sprintf("attributes in block %d", at), "%d inodes have them, and %d is written there", n, le.Uint32(b[4:]))
		}
	}
}

var errClaimed = errors.New("blocks in use elsewhere")

// content claims an inode's blocks, beside those of attributes, and checks
// that their number and the size agree.
func (c *checker) content(where string, n record, used int64) {
	f := c.f
	last, written, holes := int64(-1), int64(-1), false
	w := walker{
		f: f, n: n,
		tree: func(no int64, b []byte) error {
			used++
			if !c.claim(where, no, 1) {
				return errClaimed
			}
			c.extentSum(where, n, no, b)
			return nil
		},
		piece: func(p piece) (bool, error) {
			holes = holes || p.logical != last+1
			used += p.n
			last = p.logical + p.n - 1
			if !p.unwritten {
				written = last
			}
			if !c.claim(where, p.start, p.n) {
				return false, errClaimed
			}
			return true, nil
		},
	}
	if err := w.walk(); err != nil {
		if !errors.Is(err, errClaimed) {
			c.Add(where, "%v", err)
		}
		return
	}
	unit := f.block / sectorSize
	if f.s.ROCompat&roCompatHugeFile != 0 && n.flags()&flagHugeFile != 0 {
		unit = 1
	}
	if n.sectors() != used*unit {
		c.Add(where, "it says that it has %d sectors, and has %d", n.sectors(), used*unit)
	}
	switch size := n.size(); {
	case size < 0 || written*f.block > size:
		c.Add(where, "it says that it has %d bytes, and has block %d", size, written)
	case n.kind() == tree.Dir && (holes || size != (last+1)*f.block || size == 0):
		c.Add(where, "a directory of %d bytes has %d blocks, or holes", size, last+1)
	case n.kind() == tree.Symlink && (size == 0 || size > f.block || last != 0):
		c.Add(where, "a symbolic link of %d bytes has %d blocks", size, last+1)
	}
}

// extentSum checks the checksum of a node of a tree of extents.
func (c *checker) extentSum(where string, n record, no int64, b []byte) {
	if !c.f.metaSum || n.flags()&flagExtents == 0 {
		return
	}
	at := extentSize + extentSize*int(le.Uint16(b[4:]))
	if at+4 > len(b) {
		return // the walk says it
	}
	if want, got := crc32c(c.f.inodeSeed(n), b[:at]), le.Uint32(b[at:]); want != got {
		c.Add(where, "block %d of its extents has the checksum %08x, and %08x is written in it", no, want, got)
	}
}
