// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
)

// snapshots counts the references of internal snapshots. Each has a level 1 table.
func (c *checker) snapshots(ctx context.Context) {
	h, who, be := c.q.h, spot{"snapshot table", -1}, binary.BigEndian
	if h.snapshots > maxSnapshots {
		c.Add(who.String(), "%d snapshots", h.snapshots)
		return
	}
	if h.snapshotsAt > math.MaxInt64 {
		c.Add(who.String(), "it is at %#x", h.snapshotsAt)
		return
	}
	if !c.aligned(who, h.snapshotsAt) || h.snapshots == 0 { // without any, the place is still checked
		return
	}
	size := int64(0)
	for i := range int64(h.snapshots) {
		size = (size + 7) / 8 * 8
		b := make([]byte, snapshotSize)
		err := c.q.within(h.snapshotsAt, size+snapshotSize)
		if err == nil {
			err = c.q.read(b, int64(h.snapshotsAt)+size)
		}
		extra := be.Uint32(b[36:])
		if err == nil && (extra > maxExtra || h.version >= 3 && extra < minExtra) {
			err = fmt.Errorf("%d bytes of extra data", extra)
		}
		if err != nil {
			c.Add(spot{"snapshot", i + 1}.String(), "%v", err)
			return
		}
		size += snapshotSize + int64(extra) + int64(be.Uint16(b[12:])) + int64(be.Uint16(b[14:]))
		if c.level1(ctx, fmt.Sprintf("snapshot %d, level 1 table", i+1), be.Uint64(b), be.Uint32(b[8:]), false); ctx.Err() != nil {
			return
		}
	}
	c.refer(who, h.snapshotsAt, size)
}

// bitmaps counts the references of internal dirty bitmaps.
func (c *checker) bitmaps(ctx context.Context) {
	h, be, who := c.q.h, binary.BigEndian, spot{"bitmaps", -1}
	ext, err := c.extension(extensionBitmaps)
	if err != nil {
		c.Add("header", "%v", err)
		return
	}
	if ext == nil || h.autoclear&autoclearBitmaps == 0 {
		return
	}
	if len(ext) < 24 {
		c.Add(who.String(), "the header's extension has %d bytes", len(ext))
		return
	}
	n, size, at := be.Uint32(ext), be.Uint64(ext[8:]), be.Uint64(ext[16:])
	if n == 0 || n > maxBitmaps || size < bitmapSize || size > uint64(min(c.q.size, maxL1Bytes)) {
		c.Add(who.String(), "%d of them in a directory of %d bytes", n, size)
		return
	}
	if !c.aligned(who, at) || !c.refer(who, at, int64(size)) {
		return
	}
	dir := make([]byte, size)
	if err := c.fill(dir, int64(at)); err != nil {
		c.Add(who.String(), "%v", err)
		return
	}
	for i, room := int64(0), c.q.size; i < int64(n) && ctx.Err() == nil; i++ {
		who := spot{"bitmap", i + 1}
		if len(dir) < bitmapSize {
			c.Add(who.String(), "the directory has no more room for it")
			return
		}
		length := (bitmapSize + int64(be.Uint16(dir[18:])) + int64(be.Uint32(dir[20:])) + 7) / 8 * 8
		entries := int64(be.Uint32(dir[8:]))
		if room -= entries * 8; room < 0 { // tables do not overlap
			c.Add(who.String(), "a table of %d entries", entries)
			return
		}
		c.bitmap(who, be.Uint64(dir), entries)
		dir = dir[min(length, int64(len(dir))):]
	}
}

// bitmap counts a bitmap's table and the clusters that it refers to.
func (c *checker) bitmap(who spot, at uint64, entries int64) {
	if !c.aligned(who, at) || !c.refer(who, at, entries*8) {
		return
	}
	b := make([]byte, 8)
	for i := range entries {
		if err := c.fill(b, int64(at)+8*i); err != nil {
			c.Add(who.String(), "%v", err)
			return
		}
		cluster := binary.BigEndian.Uint64(b) & entryOffset
		if cluster != 0 && c.aligned(who, cluster) {
			c.refer(who, cluster, c.q.cluster)
		}
	}
}

// extension is the content of a header extension, or nil. Extensions are in the
// first cluster.
func (c *checker) extension(kind uint32) ([]byte, error) {
	be := binary.BigEndian
	b := make([]byte, c.q.cluster)
	if err := c.fill(b, 0); err != nil {
		return nil, err
	}
	for at := int64(c.q.h.length); at <= int64(len(b))-8; {
		k, n := be.Uint32(b[at:]), int64(be.Uint32(b[at+4:]))
		if at += 8; n > int64(len(b))-at {
			return nil, fmt.Errorf("extension %#x has %d bytes", k, n)
		}
		if k == extensionEnd {
			return nil, nil
		}
		if k == kind {
			return b[at : at+n], nil
		}
		at += (n + 7) / 8 * 8
	}
	return nil, nil
}
