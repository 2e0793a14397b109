// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"cmp"
	"io"
	"slices"
	"sort"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// region is a run of blocks that are generated: n blocks at start, which are the
// blocks from first on of object index.
type region struct {
	start, n, first uint32
	index           int32
	kind            kind
}

// kind says how a region's blocks are generated, and what index means.
type kind uint8

const (
	kindSuper       kind = iota // group
	kindReservedGDT             // none
	kindBlockBitmap             // group
	kindInodeBitmap             // group
	kindInodeTable              // group
	kindJournal                 // none
	kindResizeDIND              // none
	kindDir                     // index in dirs
	kindXattr                   // index in xattred
	kindSymlink                 // entry
	kindNode                    // entry; first is the number of the tree block
	kindJournalNode             // first is the number of the tree block
)

// render writes block k of a region into p, which is zero.
func (l *layout) render(p []byte, r *region, k uint32) {
	n := int64(r.first + k)
	switch r.kind {
	case kindSuper:
		l.putSuper(p, int64(r.index), n)
	case kindReservedGDT:
		l.putReservedGDT(p, n)
	case kindBlockBitmap:
		l.putBlockBitmap(p, int64(r.index))
	case kindInodeBitmap:
		l.putInodeBitmap(p, int64(r.index))
	case kindInodeTable:
		ino := uint32(int64(r.index)*l.geo.groupInodes+n*blockInodes) + 1
		for i := range uint32(blockInodes) {
			l.putInode(p[i*inodeSize:(i+1)*inodeSize], ino+i)
		}
	case kindJournal:
		l.putJournal(p)
	case kindResizeDIND:
		l.putResizeDIND(p)
	case kindDir:
		l.putDir(p, &l.dirs[r.index], n)
	case kindXattr:
		_, block, _ := splitXattrs(l.entry(l.xattred[r.index]).Xattrs) // newContent has reported the error
		putXattrBlock(p, block)
		if l.sums() {
			sumXattrBlock(p, l.seed, int64(r.start))
		}
	case kindSymlink:
		copy(p, l.entry(r.index).Link)
	case kindNode:
		m := l.maps[r.index]
		m.putNode(p, int(n))
		l.sumNode(p, l.ino[r.index])
	case kindJournalNode:
		l.journal.putNode(p, int(n))
		l.sumNode(p, journalIno)
	}
}

// ReadAt generates the bytes of the regions; everything else reads as zero. Offsets
// are those of the image.
func (l *layout) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= l.geo.blocks*blockSize {
		return 0, io.EOF
	}
	clear(p)
	i := sort.Search(len(l.regions), func(i int) bool {
		r := &l.regions[i]
		return (int64(r.start)+int64(r.n))*blockSize > off
	})
	var scratch []byte
	for end := off + int64(len(p)); i < len(l.regions); i++ {
		r := &l.regions[i]
		first := max(int64(r.start), off/blockSize)
		for b := first; b < int64(r.start)+int64(r.n); b++ {
			if b*blockSize >= end {
				return len(p), nil
			}
			if b*blockSize >= off && (b+1)*blockSize <= end {
				l.render(p[b*blockSize-off:][:blockSize:blockSize], r, uint32(b)-r.start)
				continue
			}
			if scratch == nil {
				scratch = make([]byte, blockSize)
			}
			clear(scratch)
			l.render(scratch, r, uint32(b)-r.start)
			from := max(off-b*blockSize, 0)
			copy(p[b*blockSize+from-off:], scratch[from:])
		}
	}
	return len(p), nil
}

// addRegions lists all generated blocks: of inode tables only the parts in use, and
// only bitmaps that are initialised.
func (l *layout) addRegions() {
	g := l.geo
	for i := range g.groups {
		if hasSuper(i) {
			l.add(kindSuper, i*groupBlocks, 1+g.descBlocks, 0, int32(i))
		}
		if !l.blockUninit(i) {
			l.add(kindBlockBitmap, int64(g.blockBitmap[i]), 1, 0, int32(i))
		}
		if n := l.usedInodes(i); n > 0 {
			l.add(kindInodeBitmap, int64(g.inodeBitmap[i]), 1, 0, int32(i))
			l.add(kindInodeTable, int64(g.inodeTable[i]), (n+blockInodes-1)/blockInodes, 0, int32(i))
		}
	}
	l.add(kindReservedGDT, 1+g.descBlocks, g.reservedGDT, 0, 0)
	l.add(kindJournal, int64(l.journal.runs[0].start), 1, 0, 0)
	l.addNodes(kindJournalNode, l.journal, 0)
	l.add(kindResizeDIND, l.resizeDIND, 1, 0, 0)
	for k := range l.dirs {
		d := &l.dirs[k]
		for _, r := range l.mapping(d.entry, d.blocks).runs {
			l.add(kindDir, int64(r.start), int64(r.n), int64(r.logical), int32(k))
		}
	}
	for k, at := range l.xattrBlock {
		l.add(kindXattr, int64(at), 1, 0, int32(k))
	}
	for i := range l.entries {
		if e := &l.entries[i]; e.Type() == tree.Symlink && e.Hardlink == "" && len(e.Link) >= inlineLink {
			l.add(kindSymlink, int64(l.mapping(int32(i), 1).runs[0].start), 1, 0, int32(i))
		}
	}
	for i, m := range l.maps {
		l.addNodes(kindNode, m, i)
	}
	slices.SortFunc(l.regions, func(a, b region) int { return cmp.Compare(a.start, b.start) })
}

func (l *layout) add(k kind, start, n, first int64, index int32) {
	if n > 0 {
		l.regions = append(l.regions, region{uint32(start), uint32(n), uint32(first), index, k})
	}
}

func (l *layout) addNodes(k kind, m mapping, index int32) {
	for i, at := range m.nodes {
		l.add(k, int64(at), 1, int64(i), index)
	}
}

// zeros appends ranges that are not holes although they are empty: the rest of the inode
// tables that are in use, and that of the journal, where an old transaction would be
// replayed after a crash. Tables of groups without inodes are not read before they are used:
// the groups' descriptors have checksums, and say so.
func (l *layout) zeros(out []image.Extent) []image.Extent {
	add := func(start, n int64) {
		if n > 0 {
			out = append(out, image.Extent{Off: start * blockSize, Len: n * blockSize, Src: image.Zeros{}})
		}
	}
	for i := range l.geo.groups {
		if n := l.usedInodes(i); n > 0 {
			n = (n + blockInodes - 1) / blockInodes
			add(int64(l.geo.inodeTable[i])+n, l.geo.tableBlocks-n)
		}
	}
	for i, r := range l.journal.runs {
		first := int64(0)
		if i == 0 {
			first = 1 // its superblock
		}
		add(int64(r.start)+first, int64(r.n)-first)
	}
	return out
}

// extents are the extents of the image: one for adjacent regions, and one for each
// run of a file that is contiguous on both sides.
func (l *layout) extents() []image.Extent {
	out := make([]image.Extent, 0, len(l.regions)+len(l.entries)) // almost always enough
	for i := range l.regions {
		r := &l.regions[i]
		off, n := int64(r.start)*blockSize, int64(r.n)*blockSize
		if k := len(out) - 1; k >= 0 && out[k].Off+out[k].Len == off {
			out[k].Len += n
			continue
		}
		out = append(out, image.Extent{Off: off, Len: n, Src: l, SrcOff: off})
	}
	for i := range l.entries {
		if e := &l.entries[i]; e.Type() == tree.Regular && e.Hardlink == "" && e.Size > 0 {
			out = l.fileExtents(out, int32(i), e)
		}
	}
	return l.zeros(out)
}

// fileExtents appends the extents of a file. The part of its last block after its
// end stays a hole.
func (l *layout) fileExtents(out []image.Extent, i int32, e *tree.Entry) []image.Extent {
	first := len(out)
	m, many := l.maps[i]
	if !many {
		return append(out, image.Extent{Off: int64(l.start[i]) * blockSize, Len: e.Size, Src: e.Content})
	}
	for _, r := range m.runs {
		off, src := int64(r.start)*blockSize, int64(r.logical)*blockSize
		n := min(int64(r.n)*blockSize, e.Size-src)
		if k := len(out) - 1; k >= first && out[k].Off+out[k].Len == off && out[k].SrcOff+out[k].Len == src {
			out[k].Len += n
			continue
		}
		out = append(out, image.Extent{Off: off, Len: n, Src: e.Content, SrcOff: src})
	}
	return out
}
