// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// directory is the plan of a directory. If its entries fit into a block, it is
// linear. Otherwise it is indexed: block 0 is the root of the index, followed by
// the nodes if there are two levels, and then by the leaves. lost+found has at
// least four blocks, so that e2fsck has space, and is linear as long as its entries
// fit into these.
type directory struct {
	entry, parent int32
	first, count  int32 // its entries are kids[first:first+count], in hash order if indexed
	subdirs       int32
	indexed       bool
	nodes         int32 // number of nodes of the index, 0 with one level
	blocks        int64
	leaves        []leaf // nil means one with all entries
}

// leaf is a block of entries: from entry first of the directory on, with hashes of
// at least hash. Bit 0 of hash is set if the previous leaf has entries with the
// same hash.
type leaf struct {
	first int32
	hash  uint32
}

// leafFill is how far leaves are filled, so that the first new names do not split
// each of them; e2fsck leaves the same space.
const leafFill = direntSpace * 4 / 5

// nodeFill is the same for the nodes of an index.
const nodeFill = dxNodeLimit * 4 / 5

// direntSize is the size of an entry.
func direntSize(name string) int { return direntHeader + (len(name)+3)&^3 }

const dotsSize = 24 // the entries . and ..

// size plans the blocks of a directory whose entries are known.
func (c *content) size(d *directory, hash dirHash) error {
	kids := c.kids[d.first : d.first+d.count]
	total := int64(dotsSize)
	for _, k := range kids {
		e := c.entry(k)
		total += int64(direntSize(e.Name()))
		if e.Type() == tree.Dir && e.Hardlink == "" {
			d.subdirs++
		}
	}
	switch {
	case d.entry == c.lostFound && c.pack(d, kids):
		d.blocks = lostFoundBlocks
		return nil
	case total <= direntSpace:
		d.blocks = 1
		return nil
	}
	d.indexed = true
	d.leaves = c.hashLeaves(kids, hash)
	n := len(d.leaves)
	if n > dxRootLimit {
		d.nodes = int32((n + nodeFill - 1) / nodeFill)
	}
	if d.nodes > dxRootLimit {
		return fmt.Errorf("%w: %d", ErrDirSize, d.count)
	}
	d.blocks = 1 + int64(d.nodes) + int64(n)
	return nil
}

// pack distributes the entries of lost+found over its linear blocks, unless there
// are too many.
func (c *content) pack(d *directory, kids []int32) bool {
	leaves, used := []leaf{{}}, dotsSize
	for i, k := range kids {
		n := direntSize(c.entry(k).Name())
		if used+n > direntSpace {
			leaves, used = append(leaves, leaf{first: int32(i)}), 0
		}
		used += n
	}
	if len(leaves) > lostFoundBlocks {
		return false
	}
	for len(leaves) < lostFoundBlocks {
		leaves = append(leaves, leaf{first: int32(len(kids))})
	}
	d.leaves = leaves
	return true
}

// hashLeaves sorts kids by hash and splits them into leaves. Entries with the same
// hash stay together if they fit into a leaf.
func (c *content) hashLeaves(kids []int32, hash dirHash) []leaf {
	keys := make([]uint64, len(kids))
	for i, k := range kids {
		keys[i] = uint64(hash.sum(c.entry(k).Name()))<<32 | uint64(k)
	}
	slices.Sort(keys)
	leaves, used, last := []leaf{{}}, 0, uint32(0)
	for i, key := range keys {
		h, k := uint32(key>>32), int32(uint32(key))
		kids[i] = k
		n := direntSize(c.entry(k).Name())
		same := i > 0 && h == last
		if used > 0 && used+n > leafFill && (!same || used+n > direntSpace) {
			start := leaf{int32(i), h}
			if same {
				start.hash |= 1
			}
			leaves, used = append(leaves, start), 0
		}
		used += n
		last = h
	}
	return slices.Clip(leaves)
}

// links is the link count of a directory; above 65000 it is 1, which means "not
// counted".
func (d *directory) links() uint16 {
	if d.subdirs+2 > maxLinks {
		return 1
	}
	return uint16(d.subdirs + 2)
}

// leafKids are the entries in leaf i.
func (c *content) leafKids(d *directory, i int) []int32 {
	kids := c.kids[d.first : d.first+d.count]
	if d.leaves == nil {
		return kids
	}
	if i+1 < len(d.leaves) {
		kids = kids[:d.leaves[i+1].first]
	}
	return kids[d.leaves[i].first:]
}

// putDir writes block k of a directory into p, which is zero.
func (l *layout) putDir(p []byte, d *directory, k int64) {
	c := l.content
	if d.indexed && k <= int64(d.nodes) {
		l.putIndex(p, d, int(k))
		return
	}
	w := direntWriter{p: p}
	if l.sums() {
		w.p = p[:direntSpace]
	}
	if k == 0 {
		w.add(c.ino[d.entry], ".", tree.Dir)
		w.add(c.ino[d.parent], "..", tree.Dir)
	}
	if d.indexed {
		k -= 1 + int64(d.nodes)
	}
	for _, kid := range c.leafKids(d, int(k)) {
		e := c.entry(kid)
		name, mode := e.Name(), e.Mode
		if e.Hardlink != "" {
			mode = c.entry(c.byIno[c.ino[kid]-firstIno]).Mode
		}
		w.add(c.ino[kid], name, mode)
	}
	w.end()
	if l.sums() {
		tail := p[direntSpace:]
		le.PutUint16(tail[4:], direntTail)
		tail[7] = tailType
		le.PutUint32(tail[8:], crc32c(inodeSeed(l.seed, c.ino[d.entry]), p[:direntSpace]))
	}
}

// putIndex writes block k of a directory's index: the root if k is 0, else a node.
func (l *layout) putIndex(p []byte, d *directory, k int) {
	leaves, nodes := len(d.leaves), int(d.nodes)
	firstLeaf := 1 + nodes
	w := dxWriter{p: p, off: dxNodeEntries}
	switch {
	case k == 0:
		le.PutUint32(p, l.content.ino[d.entry])
		le.PutUint16(p[4:], 12)
		p[6], p[7], p[8] = 1, 2, '.'
		le.PutUint32(p[12:], l.content.ino[d.parent])
		le.PutUint16(p[16:], blockSize-12)
		p[18], p[19], p[20], p[21] = 2, 2, '.', '.'
		info := p[dxRootInfo:]
		info[4], info[5] = hashHalfMD4, 8 // version, length of this structure
		if nodes > 0 {
			info[6] = 1 // levels below the root
		}
		w.off = dxRootEntries
	default:
		le.PutUint16(p[4:], blockSize)
	}
	switch {
	case k == 0 && nodes > 0:
		for i := range nodes {
			w.add(d.leaves[i*leaves/nodes].hash, 1+i)
		}
	case k == 0:
		for i := range leaves {
			w.add(d.leaves[i].hash, firstLeaf+i)
		}
	default:
		for i := (k - 1) * leaves / nodes; i < k*leaves/nodes; i++ {
			w.add(d.leaves[i].hash, firstLeaf+i)
		}
	}
	if !l.sums() {
		w.end((blockSize - w.off) / 8)
		return
	}
	w.end((blockSize - w.off - dxTail) / 8)
	w.sum(inodeSeed(l.seed, l.content.ino[d.entry]))
}
