// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"math"
	"sort"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// layout is a content placed in a geometry: everything that is needed to generate
// any block.
type layout struct {
	*content
	geo  *geometry
	opts Options
	seed uint32 // for checksums

	// start is the first block of the only extent of a file, a directory or a
	// symbolic link, by entry. Entries with more extents are in maps.
	start      []uint32
	maps       map[int32]mapping
	xattrBlock []uint32 // by index in content.xattred
	journal    mapping
	resizeDIND int64

	used    int64 // blocks, including tables and those that did not fit
	noRoom  int32 // first entry that did not fit, or -1
	spans   []span
	super   superblock
	desc    []byte
	regions []region
}

// allocator hands out the blocks between the tables in ascending order. It
// continues beyond the end of the file system, so that the required size becomes
// known.
type allocator struct {
	fixed []span
	next  int64
	limit int64
	l     *layout
}

// row advances to the next free block and returns how many blocks follow in a row.
func (a *allocator) row() int64 {
	for len(a.fixed) > 0 && a.fixed[0].start <= a.next {
		a.next = a.fixed[0].end
		a.fixed = a.fixed[1:]
	}
	if len(a.fixed) == 0 {
		return math.MaxInt64
	}
	return a.fixed[0].start - a.next
}

// take returns the next free blocks in a row, at most n.
func (a *allocator) take(n int64) (start, got int64) {
	n = min(n, a.row())
	start = a.next
	a.next += n
	a.l.used += n
	return start, n
}

// one takes a single block.
func (a *allocator) one() int64 {
	start, _ := a.take(1)
	return start
}

// extend adds n blocks of a file, from logical on, to a mapping.
func (a *allocator) extend(m *mapping, logical, n int64) {
	for n > 0 {
		if a.next >= a.limit { // does not fit: only count
			a.take(n)
			return
		}
		start, got := a.take(min(n, maxExtent))
		m.runs = append(m.runs, run{uint32(logical), uint32(start), uint32(got)})
		logical += got
		n -= got
	}
}

// finish allocates the blocks of a mapping's extent tree.
func (a *allocator) finish(m *mapping) {
	for _, n := range levels(len(m.runs)) {
		for range n {
			m.nodes = append(m.nodes, uint32(a.one()))
		}
	}
}

// entry allocates n blocks, from logical on, for an entry without holes.
func (a *allocator) entry(i int32, n int64) {
	if n <= maxExtent && n <= a.row() {
		start, _ := a.take(n)
		a.l.start[i] = uint32(start)
	} else {
		var m mapping
		a.extend(&m, 0, n)
		a.keep(i, m)
	}
	a.check(i)
}

// keep completes and stores the mapping of an entry.
func (a *allocator) keep(i int32, m mapping) {
	a.finish(&m)
	a.l.maps[i] = m
}

// check notes the first entry beyond the end.
func (a *allocator) check(i int32) {
	if a.next > a.limit && a.l.noRoom < 0 {
		a.l.noRoom = i
	}
}

// allocate places a content: first the journal and the resize inode's block, then
// directories, attribute blocks and symbolic links, then files, each kind in the
// order of the tree.
func allocate(c *content, g *geometry, o Options) *layout {
	n := len(c.ino)
	l := &layout{
		content: c, geo: g, opts: o, start: make([]uint32, n), maps: map[int32]mapping{},
		xattrBlock: make([]uint32, len(c.xattred)), noRoom: -1,
	}
	for _, s := range g.fixed {
		l.used += s.end - s.start
	}
	a := &allocator{fixed: g.fixed, limit: g.blocks, l: l}
	a.extend(&l.journal, 0, g.journal)
	a.finish(&l.journal)
	l.resizeDIND = a.one()
	for i := range c.dirs {
		a.entry(c.dirs[i].entry, c.dirs[i].blocks)
	}
	for k, i := range c.xattred {
		l.xattrBlock[k] = uint32(a.one())
		a.check(i)
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.Type() == tree.Symlink && e.Hardlink == "" && len(e.Link) >= inlineLink {
			a.entry(int32(i), 1)
		}
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.Type() == tree.Regular && e.Hardlink == "" {
			a.file(int32(i), e)
		}
	}
	return l
}

// file places the data of a regular file.
func (a *allocator) file(i int32, e *tree.Entry) {
	if e.Data == nil || len(e.Data) == 1 && e.Data[0].Off == 0 && blocks(e.Data[0].Len) == blocks(e.Size) {
		if e.Size > 0 {
			a.entry(i, blocks(e.Size))
		}
		return
	}
	var m mapping
	blockRanges(e, func(logical, n int64) { a.extend(&m, logical, n) })
	a.keep(i, m)
	a.check(i)
}

// mapping returns the places of the blocks of an entry that has n blocks and no
// holes.
func (l *layout) mapping(i int32, n int64) mapping {
	if m, ok := l.maps[i]; ok || n == 0 {
		return m
	}
	return mapping{runs: []run{{0, l.start[i], uint32(n)}}}
}

// xattrAt is the attribute block of an entry, or 0.
func (l *layout) xattrAt(i int32) uint32 {
	k := sort.Search(len(l.xattred), func(k int) bool { return l.xattred[k] >= i })
	if k < len(l.xattred) && l.xattred[k] == i {
		return l.xattrBlock[k]
	}
	return 0
}
