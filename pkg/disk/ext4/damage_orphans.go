// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"context"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// The orphan file lists inodes that were deleted while in use: blocks of numbers,
// each with a magic number and a checksum at its end. It is empty after a clean
// unmount; a feature says when it is not.
const (
	orphanFileAt    = 0x280 // offset of its inode's number in the superblock
	orphanMagic     = 0x0b10ca04
	orphanTail      = 8
	roCompatOrphans = 0x10000
)

// orphans checks the orphan file.
func (c *checker) orphans(ctx context.Context) {
	f := c.f
	if f.s.Compat&compatOrphanFile == 0 {
		return
	}
	const where = "orphan file"
	n, err := f.record(le.Uint32(f.raw[orphanFileAt:]))
	switch {
	case err != nil:
		c.Add(where, "%v", err)
		return
	case n.kind() != tree.Regular || n.size() <= 0 || n.size()%f.block != 0:
		c.Add(where, "inode %d, of %d bytes, is none", n.ino, n.size())
		return
	}
	blocks := int64(0)
	w := walker{f: f, n: n, piece: func(p piece) (bool, error) {
		blocks += p.n
		for b := p.start; b < p.start+p.n; b++ {
			c.orphanBlock(where, n, b)
		}
		return ctx.Err() == nil, nil
	}}
	if err := w.walk(); err != nil {
		return // the tables have reported it
	}
	if blocks != n.size()/f.block && ctx.Err() == nil {
		c.Add(where, "it has holes")
	}
}

func (c *checker) orphanBlock(where string, n record, no int64) {
	f := c.f
	b, err := f.read(no)
	if err != nil {
		c.Add(where, "%v", err)
		return
	}
	entries, tail := b[:len(b)-orphanTail], b[len(b)-orphanTail:]
	sum := crc32cUint32(crc32cUint32(f.inodeSeed(n), uint32(no)), uint32(no>>32))
	switch want := crc32c(sum, entries); {
	case le.Uint32(tail) != orphanMagic:
		c.Add(where, "block %d does not end with its mark", no)
	case f.metaSum && want != le.Uint32(tail[4:]):
		c.Add(where, "block %d has the checksum %08x, and %08x is written in it", no, want, le.Uint32(tail[4:]))
	case isZero(entries):
	case f.s.ROCompat&roCompatOrphans == 0:
		c.Add(where, "block %d is not empty, and the superblock says that it is", no)
	default:
		c.Add(where, "block %d lists inodes that were deleted while they were in use, and are still there", no)
	}
}
