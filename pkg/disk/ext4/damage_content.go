// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"errors"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

var errClaimed = errors.New("blocks in use elsewhere")

// content claims an inode's blocks, beside those of attributes, and checks
// that their number and the size agree.
func (c *checker) content(where string, n record, used int64) {
	f := c.f
	last, written, holes := int64(-1), int64(-1), false
	k := clusters{c: c, where: where}
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
		starts: func(says, has int64) {
			if says != has {
				c.Add(where, "a node of its extents is said to begin with block %d, and begins with %d", says, has)
			}
		},
		piece: func(p piece) (bool, error) {
			holes = holes || p.logical != last+1
			last = p.logical + p.n - 1
			if !p.unwritten {
				written = last
			}
			if !c.claimData(where, p.start, p.n) {
				return false, errClaimed
			}
			used += k.add(p)
			return true, nil
		},
	}
	if err := w.walk(); err != nil {
		if !errors.Is(err, errClaimed) {
			c.Add(where, "%v", err)
		}
		return
	}
	c.sectors(where, n, used)
	c.size(where, n, last, written, holes)
}

// size compares the size with the last block, and the last that was written.
func (c *checker) size(where string, n record, last, written int64, holes bool) {
	f := c.f
	switch size := n.size(); {
	case size < 0 || written*f.block > size && n.flags()&flagVerity == 0: // whose hash tree is behind the end
		c.Add(where, "it says that it has %d bytes, and has block %d", size, written)
	case n.kind() == tree.Dir && (holes || size != (last+1)*f.block || size == 0):
		c.Add(where, "a directory of %d bytes has %d blocks, or holes", size, last+1)
	case n.kind() == tree.Symlink && (size == 0 || size > f.block || last != 0):
		c.Add(where, "a symbolic link of %d bytes has %d blocks", size, last+1)
	}
}

// clusters counts the clusters of one file: with bigalloc, its blocks lie in a
// cluster as they follow one another, and no other file has any of it.
type clusters struct {
	c              *checker
	where          string
	last, physical int64 // clusters of the file and the device, counted from 1
	said           bool
}

// add gives how many clusters a piece adds; without bigalloc, these are blocks.
func (k *clusters) add(p piece) int64 {
	r := k.c.f.ratio()
	if r == 1 {
		return p.n
	}
	misplaced, shared, n := p.logical%r != p.start%r, false, int64(0)
	for at := p.start; at < p.start+p.n; at += r - at%r {
		logical, physical := (p.logical+at-p.start)/r+1, at/r+1
		if logical == k.last && physical != k.physical {
			misplaced = true
		}
		if physical != k.physical {
			n++
			shared = !k.c.clusters.add(physical) || shared
		}
		k.last, k.physical = logical, physical
	}
	if (misplaced || shared) && !k.said {
		k.said = true
		k.c.Add(k.where, "its blocks %d to %d share a cluster with something else, or lie otherwise in it than in the file", p.start, p.start+p.n-1)
	}
	return n
}

// inlineContent checks an inode that has its content in itself.
func (c *checker) inlineContent(where string, n record, used int64) {
	c.sectors(where, n, used)
	first, more, err := inlineRoom(n)
	if err != nil {
		return // attributes has said it
	}
	room := int64(len(first) + len(more))
	if n.size() < 0 || n.size() > room || n.kind() == tree.Dir && n.size() != room {
		c.Add(where, "it says that it has %d bytes, and has room for %d in itself", n.size(), room)
	}
}

// badBlocks claims the blocks on the list of those that the device has lost.
// Copies of the superblock may be among them, and blocks of inodes, which are then
// neither read nor free.
func (c *checker) badBlocks(n record) {
	w := walker{f: c.f, n: n, tree: func(no int64, _ []byte) error {
		c.claim(inodeName(badIno), no, 1)
		return nil
	}, piece: func(p piece) (bool, error) {
		for b := p.start; b < p.start+p.n; b++ {
			c.bad.add(b)
			if !c.copies.has(b) && !c.itables.has(b) {
				c.claim(inodeName(badIno), b, 1)
			}
		}
		return true, nil
	}}
	if err := w.walk(); err != nil {
		c.Add(inodeName(badIno), "%v", err)
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
