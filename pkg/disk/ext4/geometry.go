// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"cmp"
	"fmt"
	"slices"
)

// geometry has the places of a file system's own tables. All units are blocks.
type geometry struct {
	blocks      int64
	groups      int64
	groupInodes int64 // inodes in each group
	tableBlocks int64 // blocks of each group's inode table
	descSize    int64 // bytes
	descBlocks  int64
	reservedGDT int64 // space for descriptors of further groups
	journal     int64
	reserved    int64 // for the superuser

	blockBitmap, inodeBitmap, inodeTable []uint32 // by group
	fixed                                []span   // all of the above except the journal, ascending and merged
}

// span is a run of blocks.
type span struct{ start, end int64 }

// smallError says that a number of blocks is too small for the tables; next is the
// lowest number that may be enough.
type smallError struct{ blocks, next int64 }

func (e *smallError) Error() string {
	return fmt.Sprintf("ext4: %d bytes are too few for a file system, it needs %d", e.blocks*blockSize, e.next*blockSize)
}

// newGeometry lays out the tables of a file system of n blocks that needs at least
// needed inodes. A last group that is too small is dropped, by the rule of
// ext2fs_initialize, because resize2fs and the kernel expect it.
func newGeometry(n, needed int64, o Options) (*geometry, error) {
	if n > maxBlocks {
		return nil, fmt.Errorf("ext4: %w: %d bytes", ErrTooLarge, n*blockSize)
	}
	g := &geometry{blocks: n, descSize: descSize}
	if o.Compat {
		g.descSize = descSize32
	}
	for {
		g.groups = (g.blocks + groupBlocks - 1) / groupBlocks
		if g.groups == 0 {
			return nil, &smallError{n, 1}
		}
		g.descBlocks = g.descBlocksFor(g.groups)
		g.reservedGDT = reservedDescBlocks(g, o.MaxSize)
		if err := g.setInodes(needed, o); err != nil {
			return nil, err
		}
		rest := g.blocks % groupBlocks
		least := g.leastGroup(g.groups - 1)
		if rest == 0 || rest >= least {
			break
		}
		if g.groups == 1 {
			return nil, &smallError{n, least}
		}
		g.blocks -= rest
	}
	g.journal = journalBlocks(g.blocks)
	g.reserved = reservedBlocks(g.blocks, o.ReservedPercent)
	if err := g.place(); err != nil {
		return nil, err
	}
	return g, nil
}

// leastGroup is the size below which a last group i is left out: space for all
// tables that it could have, and 50 blocks more.
func (g *geometry) leastGroup(i int64) int64 {
	n := 2 + g.tableBlocks + 50
	if hasSuper(i) {
		n += g.superBlocks()
	}
	return n
}

// superBlocks is the number of blocks of the superblock or a backup of it, with the
// group descriptors and their reserve.
func (g *geometry) superBlocks() int64 { return 1 + g.descBlocks + g.reservedGDT }

// setInodes chooses the number of inodes in a group.
func (g *geometry) setInodes(needed int64, o Options) error {
	total := o.Inodes
	if total == 0 {
		ratio := cmp.Or(o.InodeRatio, 16384)
		total = max(g.blocks*blockSize/ratio, needed+needed/8+256)
	}
	per := (total + g.groups - 1) / g.groups
	per = min((per+blockInodes-1)/blockInodes*blockInodes, groupInodes)
	g.groupInodes, g.tableBlocks = per, per/blockInodes
	if have := per * g.groups; have < needed {
		return &SpaceError{Size: g.blocks * blockSize, NeededInodes: needed, AvailableInodes: have}
	}
	return nil
}

// place places the tables: superblock and descriptors at the start of the groups
// that have them; block bitmaps, inode bitmaps and inode tables of 16 groups, each
// kind together, at the start of the first of these groups.
func (g *geometry) place() error {
	g.blockBitmap = make([]uint32, g.groups)
	g.inodeBitmap = make([]uint32, g.groups)
	g.inodeTable = make([]uint32, g.groups)
	for i := range g.groups {
		if hasSuper(i) {
			g.fixed = append(g.fixed, span{i * groupBlocks, i*groupBlocks + g.superBlocks()})
		}
	}
	for first := int64(0); first < g.groups; first += flexGroups {
		last := min(first+flexGroups, g.groups)
		at := first * groupBlocks
		for i := first; i < last; i++ {
			at = g.fix(&g.blockBitmap[i], at, 1)
		}
		for i := first; i < last; i++ {
			at = g.fix(&g.inodeBitmap[i], at, 1)
		}
		for i := first; i < last; i++ {
			at = g.fix(&g.inodeTable[i], at, g.tableBlocks)
		}
		if at > g.blocks {
			return &smallError{g.blocks, at}
		}
	}
	g.fixed = mergeSpans(g.fixed)
	return nil
}

// fix allocates n blocks for a table, at the first place from at on that contains
// no superblock, and returns the end.
func (g *geometry) fix(table *uint32, at, n int64) int64 {
	for i := at / groupBlocks; i*groupBlocks < at+n; i++ {
		if end := i*groupBlocks + g.superBlocks(); hasSuper(i) && at < end {
			at = end
		}
	}
	*table = uint32(at)
	g.fixed = append(g.fixed, span{at, at + n})
	return at + n
}

// mergeSpans sorts spans and joins those that touch.
func mergeSpans(xs []span) []span {
	slices.SortFunc(xs, func(a, b span) int { return cmp.Compare(a.start, b.start) })
	out := xs[:0]
	for _, x := range xs {
		if n := len(out); n > 0 && x.start <= out[n-1].end {
			out[n-1].end = max(out[n-1].end, x.end)
			continue
		}
		out = append(out, x)
	}
	return out
}

// hasSuper reports whether a group has a superblock (sparse_super): 0, 1 and the
// powers of 3, 5 and 7 do.
func hasSuper(group int64) bool {
	if group <= 1 {
		return true
	}
	for _, base := range []int64{3, 5, 7} {
		n := base
		for n < group {
			n *= base
		}
		if n == group {
			return true
		}
	}
	return false
}

// reservedDescBlocks is how many blocks of descriptors are needed, in addition to
// the existing ones, to grow to limit bytes (0: 1024 times the present size); at
// most as many as the resize inode can refer to, 1024.
func reservedDescBlocks(g *geometry, limit int64) int64 {
	most := g.blocks * 1024
	if limit > 0 {
		most = limit / blockSize
	}
	most = min(most, maxBlocks)
	groups := (most + groupBlocks - 1) / groupBlocks
	return min(max(g.descBlocksFor(groups)-g.descBlocks, 0), blockPtrs)
}

// descBlocksFor is the number of blocks for the descriptors of n groups.
func (g *geometry) descBlocksFor(n int64) int64 { return blocks(n * g.descSize) }

// journalBlocks is the size of the journal: mke2fs's choice, but at least 4 MiB and
// at most 128 MiB, which is plenty for an appliance and quickly replayed.
func journalBlocks(n int64) int64 {
	switch {
	case n < 32768:
		return 1024
	case n < 256*1024:
		return 4096
	case n < 512*1024:
		return 8192
	case n < 4096*1024:
		return 16384
	}
	return 32768
}

// reservedBlocks is the number of blocks that ordinary users cannot use.
func reservedBlocks(n int64, percent int) int64 {
	switch {
	case percent < 0:
		return 0
	case percent == 0:
		return min(n*5/100, 1<<30/blockSize)
	}
	return n * int64(percent) / 100
}
