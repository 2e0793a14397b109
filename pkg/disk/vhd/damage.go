// SPDX-License-Identifier: MPL-2.0

package vhd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// Check checks the file's structure: footers, header, the places of blocks, and
// that sectors that a block's bitmap leaves out are zero. It reads all bitmaps and,
// of the data, those sectors.
func (v *Reader) Check(ctx context.Context) []damage.Problem {
	c := &checker{v: v}
	if !v.Dynamic() {
		c.fixed()
		return c.Problems()
	}
	c.footers()
	c.header()
	c.blocks(ctx)
	return c.Problems()
}

type checker struct {
	damage.List
	v      *Reader
	places []damage.Place
}

// fixed checks the footer of a fixed disk; everything else in it is raw.
func (c *checker) fixed() {
	b := make([]byte, footerSize)
	if err := c.v.read(b, c.v.size-footerSize); err != nil {
		c.Add("footer", "%v", err)
		return
	}
	c.version("footer", b[12:])
	if c.v.f.size != uint64(c.v.size-footerSize) {
		c.Add("footer", "a disk of %d bytes, and before the footer are %d", c.v.f.size, c.v.size-footerSize)
	}
}

func (c *checker) version(where string, b []byte) {
	if got := binary.BigEndian.Uint32(b); got != version {
		c.Add(where, "version %#x, not %#x", got, version)
	}
}

// footers compares the footer with its copy at the front.
func (c *checker) footers() {
	front, back := make([]byte, footerSize), make([]byte, footerSize)
	sound := true
	for _, p := range []struct {
		b     []byte
		at    int64
		where string
	}{{front, 0, "footer's copy"}, {back, c.v.size - footerSize, "footer"}} {
		err := c.v.read(p.b, p.at)
		if err == nil {
			_, err = parseFooter(p.b)
		}
		if err != nil {
			c.Add(p.where, "%v", err)
			sound = false
			continue
		}
		c.version(p.where, p.b[12:])
		c.places = append(c.places, damage.Place{Start: p.at, Len: footerSize, What: "the " + p.where, No: -1})
	}
	if sound && !bytes.Equal(front, back) {
		c.Add("footer's copy", "it differs from the footer")
	}
}

func (c *checker) header() {
	b := make([]byte, headerSize)
	err := c.v.read(b, int64(c.v.f.dataOffset))
	if err != nil {
		c.Add("header", "%v", err)
		return
	}
	h, err := parseHeader(b)
	if err != nil {
		c.Add("header", "%v", err)
		return
	}
	c.version("header", b[24:])
	if h.table%sectorSize != 0 {
		c.Add("header", "the table is at %d, which is within a sector", h.table)
	}
	if size := int64(c.v.f.size); (size-1)/c.v.block+1 > int64(h.entries) {
		c.Add("header", "a table of %d entries for a disk of %d bytes", h.entries, size)
	}
	c.places = append(c.places,
		damage.Place{Start: int64(c.v.f.dataOffset), Len: headerSize, What: "the header", No: -1},
		damage.Place{Start: int64(h.table), Len: int64(len(c.v.table)) * 4, What: "the table", No: -1})
}

// blocks checks the table's entries and the blocks. There are never more places
// than the file has sectors.
func (c *checker) blocks(ctx context.Context) {
	v := c.v
	for i, s := range v.table {
		if ctx.Err() != nil {
			return
		}
		if s == unused {
			continue
		}
		p := damage.Place{Start: int64(s) * sectorSize, Len: v.data + v.block, What: "block", No: int64(i)}
		if p.Start > v.size-p.Len {
			c.Add(p.String(), "it is at %d, and the file has %d bytes", p.Start, v.size)
			continue
		}
		if c.places = append(c.places, p); int64(len(c.places)) > v.size/sectorSize {
			c.Add("table", "it names more blocks than the file has sectors")
			return
		}
	}
	if c.overlaps() {
		return // reading a file with overlapping blocks could take any amount of work
	}
	for i, s := range v.table {
		if ctx.Err() != nil {
			return
		}
		if at := int64(s) * sectorSize; s != unused && at <= v.size-v.data-v.block {
			c.bitmap(i, at)
		}
	}
}

// overlaps reports whether any places overlap.
func (c *checker) overlaps() (found bool) {
	damage.Overlaps(c.places, func(p, in damage.Place) {
		c.Add(p.String(), "it is at %d, in %s", p.Start, in)
		found = true
	})
	return found
}

// bitmap checks a block whose bitmap does not include all of its sectors. According
// to the specification, the others read as zero. QEMU and this package read the
// stored data, and QEMU sets all bits when it writes: omitted data is read by some
// programs and not by others.
func (c *checker) bitmap(no int, at int64) {
	v := c.v
	where := fmt.Sprintf("block %d", no)
	bitmap := make([]byte, v.data)
	if err := v.read(bitmap, at); err != nil {
		c.Add(where, "%v", err)
		return
	}
	n := min(v.block, v.disk-int64(no)*v.block) / sectorSize
	bad, first := 0, int64(0)
	for s := int64(0); s < n; s += 8 {
		set := bitmap[s/8]
		if set == 0xFF {
			continue
		}
		data := make([]byte, min(8, n-s)*sectorSize)
		if err := v.read(data, at+v.data+s*sectorSize); err != nil {
			c.Add(where, "%v", err)
			return
		}
		for i := range int64(len(data)) / sectorSize {
			if set>>(7-i)&1 != 0 || pipeline.IsZero(data[i*sectorSize:(i+1)*sectorSize]) {
				continue
			}
			if bad++; bad == 1 {
				first = s + i
			}
		}
	}
	if bad > 0 {
		c.Add(where, "its bitmap leaves out %d sectors that have data, the first of them sector %d: Hyper-V reads zeros there", bad, int64(no)*v.block/sectorSize+first)
	}
}
