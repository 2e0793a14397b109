// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"context"
	"fmt"
	"math/bits"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// bitmaps compares bitmaps and counts with what was found in use.
func (c *checker) bitmaps(ctx context.Context) {
	f := c.f
	dirs := map[int64]int64{}
	c.groupInodes = map[int64][]uint32{}
	for ino, s := range c.inodes {
		g := int64(ino-1) / int64(f.s.InodesPerGroup)
		c.groupInodes[g] = append(c.groupInodes[g], ino)
		if s.kind == tree.Dir {
			dirs[g]++
		}
	}
	var freeBlocks, freeInodes int64
	for g := int64(0); g < f.groups && ctx.Err() == nil; g++ {
		d, err := f.group(g)
		if err != nil {
			continue // groups has said it
		}
		where := fmt.Sprintf("group %d", g)
		b, i := c.blockBitmap(where, g, d), c.inodeBitmap(where, g, d)
		c.count(where+", free blocks", d.freeBlocks, b)
		c.count(where+", free inodes", d.freeInodes, i)
		c.count(where+", directories", d.usedDirs, dirs[g])
		freeBlocks, freeInodes = freeBlocks+b, freeInodes+i
	}
	c.count("superblock, free blocks", f.freeBlocks(), freeBlocks*f.ratio())
	c.count("superblock, free inodes", int64(f.s.FreeInodes), freeInodes)
}

func (c *checker) count(where string, says, has int64) {
	if says != has {
		c.Add(where, "there are %d, and it says %d", has, says)
	}
}

// blockBitmap checks a group's block bitmap and gives the number of free blocks,
// or clusters of them.
func (c *checker) blockBitmap(where string, g int64, d groupDesc) int64 {
	f := c.f
	start := f.groupStart(g)
	n := min(int64(f.s.BlocksPerGroup), f.blocks-start)
	used := c.blocks.bitmap(start, n, f.block*f.ratio())
	used, n = fold(used, n, f.ratio())
	what := "block"
	if f.bigalloc() {
		what, start = "cluster", start/f.ratio()
	}
	where += ", block bitmap"
	if f.sums() && d.flags&groupBlockUninit != 0 {
		return n - ones(used)
	}
	b, err := f.read(d.blockBitmap)
	if err != nil {
		return n - ones(used)
	}
	c.bitmapSum(where, b[:int64(f.s.BlocksPerGroup)/f.ratio()/8], d.blockBitmapSum)
	c.compare(where, b, used, n, what, start)
	return n - ones(used)
}

// fold makes a bitmap of n blocks one of clusters of ratio blocks.
func fold(used []byte, n, ratio int64) ([]byte, int64) {
	if ratio == 1 {
		return used, n
	}
	out := make([]byte, int64(len(used))/ratio)
	for b := range n {
		if used[b/8]>>(b%8)&1 != 0 {
			k := b / ratio
			out[k/8] |= 1 << (k % 8)
		}
	}
	return out, (n + ratio - 1) / ratio
}

// inodeBitmap checks a group's inode bitmap and gives the number of free inodes.
func (c *checker) inodeBitmap(where string, g int64, d groupDesc) int64 {
	f := c.f
	n, first := int64(f.s.InodesPerGroup), g*int64(f.s.InodesPerGroup)+1
	used := make([]byte, f.block)
	for _, ino := range c.groupInodes[g] {
		i := int64(ino) - first
		used[i/8] |= 1 << (i % 8)
	}
	for ino := first; ino < int64(max(f.s.FirstIno, oldFirstIno)) && ino-first < n; ino++ {
		if ino != rootIno {
			used[(ino-first)/8] |= 1 << ((ino - first) % 8)
		}
	}
	for ino := range c.unread {
		if i := int64(ino) - first; i >= 0 && i < n {
			used[i/8] |= 1 << (i % 8)
		}
	}
	where += ", inode bitmap"
	if f.sums() && d.flags&groupInodeUninit != 0 {
		return n - ones(used)
	}
	b, err := f.read(d.inodeBitmap)
	if err != nil {
		return n - ones(used)
	}
	c.bitmapSum(where, b[:(n+7)/8], d.inodeBitmapSum)
	c.compare(where, b, used, n, "inode", first)
	return n - ones(used)
}

func ones(b []byte) int64 {
	n := 0
	for _, c := range b {
		n += bits.OnesCount8(c)
	}
	return int64(n)
}

// bitmapSum checks a bitmap's checksum, of which small descriptors have half.
func (c *checker) bitmapSum(where string, b []byte, got uint32) {
	want := crc32c(c.f.seed, b)
	if c.f.desc < descSize {
		want &= 0xFFFF
	}
	if c.f.metaSum && want != got {
		c.Add(where, "its checksum is %08x, and %08x is written in its descriptor", want, got)
	}
}

// compare compares the first n bits of a bitmap with what is in use, and checks
// that the rest is set.
func (c *checker) compare(where string, b, used []byte, n int64, what string, first int64) {
	missing, extra, at := 0, 0, int64(-1)
	for i := range (n + 7) / 8 {
		mask := byte(1<<min(n-8*i, 8) - 1)
		differ := (b[i] ^ used[i]) & mask
		missing += bits.OnesCount8(differ & used[i])
		extra += bits.OnesCount8(differ & b[i])
		if differ != 0 && at < 0 {
			at = first + 8*i + int64(bits.TrailingZeros8(differ))
		}
	}
	if at >= 0 {
		c.Add(where, "%d in use are not marked, and %d that are marked are not in use; the first is %s %d", missing, extra, what, at)
	}
	for i := n; i < int64(len(b))*8; i++ {
		if b[i/8]>>(i%8)&1 == 0 {
			c.Add(where, "bits after its end are not set")
			break
		}
	}
}
