// SPDX-License-Identifier: MPL-2.0

package ext4

// mapping is the places of the blocks of an inode: its extents in logical order,
// none longer than 32768 blocks, and, if they do not fit into an inode, the blocks
// of the tree that lists them, lowest level first.
type mapping struct {
	runs  []run
	nodes []uint32
}

// run is an extent: the file's n blocks from logical on are at start.
type run struct{ logical, start, n uint32 }

// levels are the numbers of tree blocks for n extents, lowest level first: leaves,
// then blocks that list them, until the list fits into the inode.
func levels(n int) []int {
	var out []int
	for n > inodeExtents {
		n = (n + blockExtents - 1) / blockExtents
		out = append(out, n)
	}
	return out
}

// putRoot writes the part of the tree that is in the inode (60 bytes).
func (m *mapping) putRoot(p []byte) {
	lv := levels(len(m.runs))
	if len(lv) == 0 {
		putExtents(p, inodeExtents, m.runs)
		return
	}
	m.putIndex(p, inodeExtents, lv, len(lv)-1, 0, lv[len(lv)-1])
}

// putNode writes tree block k without its checksum.
func (m *mapping) putNode(p []byte, k int) {
	lv := levels(len(m.runs))
	level := 0
	for k >= lv[level] {
		k -= lv[level]
		level++
	}
	if level == 0 {
		putExtents(p, blockExtents, m.runs[k*blockExtents:min((k+1)*blockExtents, len(m.runs))])
	} else {
		m.putIndex(p, blockExtents, lv, level-1, k*blockExtents, min((k+1)*blockExtents, lv[level-1]))
	}
}

// sumNode writes the checksum of a tree block of an inode.
func (l *layout) sumNode(p []byte, ino uint32) {
	if l.sums() {
		le.PutUint32(p[extentTailOff:], crc32c(inodeSeed(l.seed, ino), p[:extentTailOff]))
	}
}

// putIndex writes a node that lists tree blocks first to last of a level.
func (m *mapping) putIndex(p []byte, limit int, lv []int, level, first, last int) {
	putExtentHeader(p, limit, last-first, level+1)
	base, each := 0, blockExtents // first block of the level; extents below one of its blocks
	for _, n := range lv[:level] {
		base += n
		each *= blockExtents
	}
	for i := first; i < last; i++ {
		e := p[extentSize*(1+i-first):]
		le.PutUint32(e, m.runs[i*each].logical)
		le.PutUint32(e[4:], m.nodes[base+i])
	}
}

func putExtents(p []byte, limit int, runs []run) {
	putExtentHeader(p, limit, len(runs), 0)
	for i, r := range runs {
		e := p[extentSize*(1+i):]
		le.PutUint32(e, r.logical)
		le.PutUint16(e[4:], uint16(r.n))
		le.PutUint32(e[8:], r.start)
	}
}

func putExtentHeader(p []byte, limit, n, depth int) {
	le.PutUint16(p, extentMagic)
	le.PutUint16(p[2:], uint16(n))
	le.PutUint16(p[4:], uint16(limit))
	le.PutUint16(p[6:], uint16(depth))
}
