// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"bytes"
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Check checks the file's structure: both headers, both region tables, the
// metadata, and the places of blocks. Data and metadata, such as the disk's size,
// have no checksums; data is not read.
func (v *Reader) Check(ctx context.Context) []damage.Problem {
	c := &checker{v: v}
	c.headers()
	c.regionTables()
	c.metadata()
	c.blocks(ctx)
	return c.Problems()
}

type checker struct {
	damage.List
	v      *Reader
	places []damage.Place
}

// headers checks both: the one that is not current must be valid, too, since
// otherwise a crash of the next writer would leave none.
func (c *checker) headers() {
	for no := range int64(2) {
		where := fmt.Sprintf("header %d", no+1)
		h, _, err := c.v.head(no)
		if err != nil {
			c.Add(where, "%v", err)
			continue
		}
		if h.logVersion != 0 {
			c.Add(where, "the log's version is %d", h.logVersion)
		}
		if n := int64(h.logSize); n == 0 || n%mebibyte != 0 || h.logAt < mebibyte || h.logAt%mebibyte != 0 || h.logAt > uint64(c.v.size) || n > c.v.size-int64(h.logAt) {
			c.Add(where, "a log of %d bytes at %d, and the file has %d", n, h.logAt, c.v.size)
		}
	}
	c.places = append(c.places, damage.Place{Len: mebibyte, What: "header section", No: -1},
		damage.Place{Start: int64(min(c.v.h.logAt, 1<<62)), Len: int64(c.v.h.logSize), What: "log", No: -1})
}

// regionTables compares the two.
func (c *checker) regionTables() {
	var tables [2][]byte
	for no := range int64(2) {
		b, err := c.v.regionTable(no)
		if err == nil {
			_, err = parseRegions(b, c.v.size)
		}
		if err != nil {
			c.Add(fmt.Sprintf("region table %d", no+1), "%v", err)
			continue
		}
		tables[no] = b
	}
	if tables[0] != nil && tables[1] != nil && !bytes.Equal(tables[0], tables[1]) {
		c.Add("region table 2", "it differs from the first")
	}
	for _, r := range c.v.regions {
		c.places = append(c.places, damage.Place{Start: r.at, Len: r.size, What: "region " + r.id.String(), No: -1})
	}
}

// metadata checks what Open does not need: flags, and that items do not overlap.
func (c *checker) metadata() {
	r, err := find(c.v.regions, regionMetadata)
	if err != nil {
		c.Add("metadata", "%v", err)
		return
	}
	items, err := c.v.items(r)
	if err != nil {
		c.Add("metadata", "%v", err)
		return
	}
	var places []damage.Place
	for i, it := range items {
		if it.size > 0 {
			places = append(places, damage.Place{Start: it.at, Len: it.size, What: "item " + i.String(), No: -1})
		}
	}
	damage.Overlaps(places, func(p, in damage.Place) { c.Add("metadata", "%s is at %d, in %s", p, p.Start, in) })
	for _, name := range []string{itemParameters, itemSize, itemID, itemLogical, itemPhysical} {
		want := uint32(itemRequired | itemDisk)
		if name == itemParameters {
			want = itemRequired
		}
		if got := items[idOf(name)].flags & (itemRequired | itemDisk); got != want {
			c.Add("metadata", "item %s has flags %#x, not %#x", name, got, want)
		}
	}
}

// blocks checks the table's entries. There are never more places than the file has
// MiB.
func (c *checker) blocks(ctx context.Context) {
	v, ratio := c.v, c.v.ratio()
	for i, e := range v.table {
		if i%(1<<16) == 0 && ctx.Err() != nil {
			return
		}
		no := int64(i) - int64(i)/(ratio+1)
		p := damage.Place{Start: int64(min(e&entryOffset, 1<<62)), Len: min(v.block, v.disk-no*v.block), What: "block", No: no}
		if e&entryReserved != 0 {
			c.Add(fmt.Sprintf("table entry %d", i), "reserved bits are set: %#x", e)
		}
		if int64(i)%(ratio+1) == ratio {
			if e&entryState != 0 {
				c.Add(fmt.Sprintf("table entry %d", i), "a sector bitmap, which only differencing disks have")
			}
			continue
		}
		if !c.state(p, e&entryState) {
			continue
		}
		if c.places = append(c.places, p); int64(len(c.places)) > v.size/mebibyte+maxEntries+2 {
			c.Add("table", "it names more blocks than the file has room for")
			return
		}
	}
	damage.Overlaps(c.places, func(p, in damage.Place) { c.Add(p.String(), "it is at %d, in %s", p.Start, in) })
}

// state checks a block's entry, and reports whether the block occupies space in the
// file. An unmapped or undefined block may keep its place.
func (c *checker) state(p damage.Place, state uint64) bool {
	switch {
	case state == blockAbsent:
		return false
	case state == blockZero:
		if p.Start != 0 { // Hyper-V does not read such a disk
			c.Add(p.String(), "it is all zero, but has a place at %d", p.Start)
		}
		return false
	case state > blockUnmapped && state != blockPresent:
		c.Add(p.String(), "it is in state %d, which no block of a disk without a parent is in", state)
		return false
	case state != blockPresent && p.Start == 0:
		return false
	case p.Start > c.v.size-p.Len:
		c.Add(p.String(), "it is at %d, and the file has %d bytes", p.Start, c.v.size)
		return false
	}
	return true
}
