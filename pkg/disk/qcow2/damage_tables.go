// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"context"
	"encoding/binary"
	"math"
)

// refcounts reads the reference counts, and counts the references to their table
// and to its blocks.
func (c *checker) refcounts(ctx context.Context) {
	q, who := c.q, spot{"reference count table", -1}
	size := int64(q.h.refClusters) * q.cluster
	if size == 0 || !c.aligned(who, q.h.refTable) || !c.refer(who, q.h.refTable, size) {
		if size == 0 {
			c.Add(who.String(), "it has no clusters")
		}
		return
	}
	table, block := make([]byte, q.cluster), make([]byte, q.cluster)
	for at := int64(0); at < size && ctx.Err() == nil; at += q.cluster {
		if err := c.fill(table, int64(q.h.refTable)+at); err != nil {
			c.Add(who.String(), "%v", err)
			return
		}
		for i := range q.entries() {
			if e := binary.BigEndian.Uint64(table[8*i:]); e != 0 {
				c.refcountBlock(block, at/8+i, e)
			}
		}
	}
}

// refcountBlock reads a block of reference counts into block, if it has counts for
// clusters of the file.
func (c *checker) refcountBlock(block []byte, no int64, e uint64) {
	who := spot{"reference count block", no}
	if e&tableReserved != 0 {
		c.Add(who.String(), "reserved bits are set: %#x", e)
	}
	at := e &^ tableReserved
	if at == 0 || !c.aligned(who, at) || !c.refer(who, at, c.q.cluster) {
		return
	}
	counts := c.q.cluster * 8 >> c.q.h.refcountOrder
	if no > int64(len(c.stored)-1)/counts {
		return
	}
	if err := c.fill(block, int64(at)); err != nil {
		c.Add(who.String(), "%v", err)
		return
	}
	stored := c.stored[no*counts:]
	for i := range min(counts, int64(len(stored))) {
		stored[i] = uint32(min(refcount(block, i, c.q.h.refcountOrder), math.MaxUint32))
	}
}

// refcount is the i-th count of a block; counts of less than a byte begin with its
// low bits.
func refcount(b []byte, i int64, order uint32) uint64 {
	be := binary.BigEndian
	switch order {
	case 3:
		return uint64(b[i])
	case 4:
		return uint64(be.Uint16(b[2*i:]))
	case 5:
		return uint64(be.Uint32(b[4*i:]))
	case 6:
		return be.Uint64(b[8*i:])
	}
	bit := i << order
	return uint64(b[bit/8]>>(bit%8)) & (1<<(1<<order) - 1)
}

// level1 checks a level 1 table and everything that it refers to. The flags that
// say that a reference count is 1 are correct only in the active table.
func (c *checker) level1(ctx context.Context, what string, at uint64, entries uint32, active bool) {
	who, size := spot{what, -1}, int64(entries)*8
	if size > maxL1Bytes {
		c.Add(what, "%d entries", entries)
		return
	}
	if c.room -= size; c.room < 0 {
		c.Add(what, "the level 1 tables have more entries than the file has room for")
		return
	}
	if !c.aligned(who, at) || !c.refer(who, at, size) {
		return
	}
	own := newSet(int64(len(c.counted)))
	b, l2 := make([]byte, min(64<<10, size)), make([]byte, c.q.cluster)
	for off := int64(0); off < size; off += int64(len(b)) {
		b = b[:min(int64(len(b)), size-off)]
		if err := c.fill(b, int64(at)+off); err != nil {
			c.Add(what, "%v", err)
			return
		}
		for i := range int64(len(b)) / 8 {
			e := binary.BigEndian.Uint64(b[8*i:])
			if ctx.Err() != nil {
				return
			}
			if e != 0 {
				c.level2(ctx, l2, spot{what + ", entry", off/8 + i}, e, active, own)
			}
		}
	}
}

// level2 checks the level 2 table that a level 1 entry refers to. No table is
// visited twice for the same level 1 table.
func (c *checker) level2(ctx context.Context, b []byte, who spot, e uint64, active bool, own set) {
	if e&l1Reserved != 0 {
		c.Add(who.String(), "reserved bits are set: %#x", e)
	}
	at := e & entryOffset
	if !c.aligned(who, at) || !c.refer(who, at, c.q.cluster) {
		return
	}
	if active {
		c.copied(who, e, at)
	}
	cluster := int64(at) / c.q.cluster
	if !own.add(cluster) {
		c.Add(who.String(), "a table at %d, as another entry has", at)
		return
	}
	if err := c.fill(b, int64(at)); err != nil {
		c.Add(who.String(), "%v", err)
		return
	}
	unpack := c.unpacked.add(cluster)
	for i := range c.q.entries() {
		d, where := binary.BigEndian.Uint64(b[8*i:]), spot{"cluster of the disk", who.no*c.q.entries() + i}
		if !active {
			where.what = who.what + " and table entry"
		}
		if ctx.Err() != nil {
			return
		}
		if d&entryCompressed != 0 {
			c.compressed(where, d, unpack)
		} else {
			c.plain(where, d, active)
		}
	}
}

// compressed checks a compressed cluster, which shares clusters of the file with
// others.
func (c *checker) compressed(who spot, e uint64, unpack bool) {
	if e&entryCopied != 0 {
		c.Add(who.String(), "it is compressed, and says that its reference count is 1: %#x", e)
	}
	e &^= entryCopied
	at, n := c.q.packedAt(e)
	if !c.refer(who, at, n) || !unpack {
		return
	}
	// No deflate stream is shorter than a thousandth of its decompressed size.
	cost := max(n, c.q.cluster>>10)
	if c.work >= 0 && c.work < cost {
		c.Add(who.String(), "more is compressed than the file has room for; the rest is not unpacked")
	}
	if c.work -= cost; c.work < 0 {
		return
	}
	if err := c.q.load(e); err != nil {
		c.Add(who.String(), "%v", err)
	}
}

// plain checks the entry of an uncompressed cluster.
func (c *checker) plain(who spot, e uint64, active bool) {
	if e&l2Reserved != 0 {
		c.Add(who.String(), "reserved bits are set: %#x", e)
	}
	if e&entryZero != 0 && c.q.h.version < 3 {
		c.Add(who.String(), "it is marked as zero, which is unknown in version 2: %#x", e)
	}
	at := e & entryOffset
	if at == 0 || !c.aligned(who, at) || !c.refer(who, at, c.q.cluster) {
		return
	}
	if active {
		c.copied(who, e, at)
	}
}

// copied checks the flag that says that a cluster's reference count is 1, in which
// case the cluster is written in place.
func (c *checker) copied(who spot, e, at uint64) {
	n := c.stored[at/uint64(c.q.cluster)]
	switch said := e&entryCopied != 0; {
	case said && n != 1:
		c.Add(who.String(), "it says that its reference count is 1, which is %d", n)
	case !said && n == 1:
		c.Add(who.String(), "it does not say that its reference count is 1")
	}
}
