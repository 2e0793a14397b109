// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"context"
	"fmt"
)

// sums reports whether group descriptors have checksums, and with them the flags
// for uninitialised parts of a group.
func (f *FS) sums() bool { return f.metaSum || f.s.ROCompat&roCompatGDTCsum != 0 }

// groups checks the descriptors and claims the blocks that they refer to.
func (c *checker) groups(ctx context.Context) {
	f := c.f
	for g := range f.groups {
		if f.hasBackup(g) {
			c.claimSuper(g)
		}
	}
	per := f.block / f.desc
	for g := int64(0); f.s.Incompat&incompatMetaBG != 0 && g < f.groups; g += per {
		if g/per >= int64(f.s.FirstMetaBG) {
			c.claimMeta(g)
		}
	}
	if f.s.Incompat&incompatMMP != 0 {
		c.claim("multi-mount protection", int64(le.Uint64(f.raw[0x168:])), 1)
	}
	for g := int64(0); g < f.groups && ctx.Err() == nil; g++ {
		c.group(g)
	}
}

// claimSuper claims a copy of the superblock, the descriptors that follow it, and
// the space reserved for more of them.
func (c *checker) claimSuper(g int64) {
	f := c.f
	n := int64(1)
	if per := f.block / f.desc; f.s.Incompat&incompatMetaBG != 0 {
		n += min(int64(f.s.FirstMetaBG), (f.groups+per-1)/per)
	} else {
		n += (f.groups + per - 1) / per
	}
	if f.s.Incompat&incompatMetaBG == 0 {
		n += int64(f.s.ReservedGDT)
	}
	at := f.superBlock(g)
	c.claim(fmt.Sprintf("superblock of group %d", g), at, n)
	for b := at; g > 0 && b < at+n; b++ {
		c.copies.add(b)
	}
}

// claimMeta claims the descriptors of a meta group, which are in its first, second
// and last group.
func (c *checker) claimMeta(g int64) {
	f := c.f
	for _, at := range []int64{g, g + 1, g + f.block/f.desc - 1} {
		if at >= f.groups {
			continue
		}
		n := f.superBlock(at)
		if f.hasBackup(at) {
			n++
		}
		c.claim(fmt.Sprintf("descriptors of group %d", g), n, 1)
	}
}

// group checks a descriptor.
func (c *checker) group(g int64) {
	f := c.f
	where := fmt.Sprintf("group %d", g)
	b, err := f.rawDesc(g)
	if err != nil {
		c.Add(where, "%v", err)
		return
	}
	if want := f.descSum(g, b); f.sums() && want != le.Uint16(b[descChecksum:]) {
		c.Add(where, "its descriptor has the checksum %04x, and %04x is written in it", want, le.Uint16(b[descChecksum:]))
	}
	d := parseDesc(b)
	table := (int64(f.s.InodesPerGroup)*f.inode + f.block - 1) / f.block
	c.claim(where+", block bitmap", d.blockBitmap, 1)
	c.claim(where+", inode bitmap", d.inodeBitmap, 1)
	if c.claim(where+", inode table", d.inodeTable, table) {
		for b := d.inodeTable; b < d.inodeTable+table; b++ {
			c.itables.add(b)
		}
	}
	if !f.sums() && (d.flags&(groupInodeUninit|groupBlockUninit) != 0 || d.unusedInodes != 0) {
		c.Add(where, "it is said not to be initialised, without the feature")
	}
	if f.s.Incompat&incompatFlexBG == 0 && (d.inodeTable < f.groupStart(g) || d.inodeTable >= f.groupStart(g+1)) {
		c.Add(where, "its inode table is in another group, at block %d", d.inodeTable)
	}
}

// descSum is the checksum that a descriptor should have.
func (f *FS) descSum(group int64, b []byte) uint16 {
	if f.metaSum {
		p := bytes.Clone(b)
		le.PutUint16(p[descChecksum:], 0)
		return uint16(crc32c(crc32cUint32(f.seed, uint32(group)), p))
	}
	sum := crc16(0xFFFF, f.s.UUID[:])
	sum = crc16(sum, le.AppendUint32(nil, uint32(group)))
	sum = crc16(sum, b[:descChecksum])
	if f.s.Incompat&incompat64bit != 0 {
		sum = crc16(sum, b[descChecksum+2:])
	}
	return sum
}

// resize checks the resize inode, which reserves space for further descriptors: its
// blocks of pointers refer to that space in group 0 and in the copies.
func (c *checker) resize() {
	f := c.f
	if f.s.Compat&compatResizeInode == 0 {
		return
	}
	n, err := f.record(resizeIno)
	if err != nil {
		c.Add("resize inode", "%v", err)
		return
	}
	at := int64(le.Uint32(n.words()[4*13:]))
	if at == 0 && f.s.ReservedGDT == 0 {
		return
	}
	if !c.claim("resize inode", at, 1) {
		return
	}
	dind, err := f.read(at)
	if err != nil {
		c.Add("resize inode", "%v", err)
		return
	}
	per, ptrs := f.block/f.desc, f.block/4
	descs := (f.groups + per - 1) / per
	for i := range ptrs {
		want, k := int64(0), (i-descs%ptrs+ptrs)%ptrs
		if k < int64(f.s.ReservedGDT) {
			want = f.superBlock(0) + 1 + descs + k
		}
		if got := int64(le.Uint32(dind[4*i:])); got != want {
			c.Add("resize inode", "it names block %d where block %d is meant", got, want)
			return
		}
		if want != 0 && !c.resizeBlock(want) {
			return
		}
	}
}

// resizeBlock checks a block of pointers to its own copies.
func (c *checker) resizeBlock(at int64) bool {
	f := c.f
	b, err := f.read(at)
	if err != nil {
		c.Add("resize inode", "%v", err)
		return false
	}
	g := int64(0)
	for k := range f.block / 4 {
		for g++; g < f.groups && !f.hasBackup(g); g++ {
		}
		want := int64(0)
		if g < f.groups {
			want = at + g*int64(f.s.BlocksPerGroup)
		}
		if got := int64(le.Uint32(b[4*k:])); got != want {
			c.Add("resize inode", "block %d names block %d where block %d is meant", at, got, want)
			return false
		}
	}
	return true
}
