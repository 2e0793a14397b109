// SPDX-License-Identifier: MPL-2.0

package iso

import (
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Fields of a directory record (ECMA-119, 9.1), and the offset of the root's record
// in the primary descriptor.
const (
	rootRecordAt = 156
	recordMin    = 34
	nameAt       = 33
)

// extent is the place of a file or directory, in sectors and bytes.
type extent struct{ sector, size int64 }

// treeCheck visits all directories and checks their places and those of their
// files, that each begins with itself and its parent, and that records fit into
// their sectors. Contents have no checksums, and extensions for names are ignored.
type treeCheck struct {
	damage.List
	r      io.ReaderAt
	size   int64 // of the volume, bytes
	seen   map[int64]bool
	budget int64 // sectors of directories that may still be read
}

// checkTree checks the directories of a volume of size bytes, whose primary
// descriptor is b.
func checkTree(r io.ReaderAt, b []byte, size int64) []damage.Problem {
	c := &treeCheck{r: r, size: size, seen: map[int64]bool{}, budget: size / Sector}
	root, ok := c.extent("/", b[rootRecordAt:])
	if ok {
		for todo := []extent{root}; len(todo) > 0; {
			last := todo[len(todo)-1]
			todo = append(todo[:len(todo)-1], c.directory(last)...)
		}
	}
	return c.Problems()
}

// extent is the place in a record, and whether it is on the volume.
func (c *treeCheck) extent(where string, b []byte) (extent, bool) {
	e := extent{int64(le.Uint32(b[2:])), int64(le.Uint32(b[10:]))}
	switch {
	case le.Uint32(b[2:]) != be.Uint32(b[6:]) || le.Uint32(b[10:]) != be.Uint32(b[14:]):
		c.Add(where, "its place is not the same in both byte orders")
		return e, false
	case e.size > 0 && (e.sector*Sector > c.size || e.size > c.size-e.sector*Sector):
		c.Add(where, "it has %d bytes at sector %d, and the volume %d", e.size, e.sector, c.size)
		return e, false
	}
	return e, true
}

// directory checks a directory and returns its subdirectories.
func (c *treeCheck) directory(d extent) []extent {
	where := fmt.Sprintf("ISO 9660 directory in sector %d", d.sector)
	if c.seen[d.sector] {
		return nil // relocated directories are in two places
	}
	c.seen[d.sector] = true
	if c.budget -= (d.size + Sector - 1) / Sector; c.budget < 0 {
		c.Add(where, "directories have more sectors than the volume")
		return nil
	}
	var below []extent
	n := 0
	for off := int64(0); off < d.size; off += Sector {
		b := make([]byte, Sector)
		if err := readFull(c.r, b, d.sector*Sector+off); err != nil {
			c.Add(where, "%v", err)
			return below
		}
		for len(b) > 0 && b[0] != 0 {
			length, name := int(b[0]), 0
			if len(b) >= recordMin {
				name = int(b[32])
			}
			if length < recordMin || length > len(b) || nameAt+name > length {
				c.Add(where, "a record of it has %d bytes, its name %d", length, name)
				return below
			}
			if e, ok := c.record(where, d, n, b[:length]); ok {
				below = append(below, e)
			}
			n++
			b = b[length:]
		}
	}
	if n < 2 {
		c.Add(where, "it does not begin with itself and its parent")
	}
	return below
}

// record checks record n of a directory, and returns the directory that it refers
// to.
func (c *treeCheck) record(where string, d extent, n int, b []byte) (extent, bool) {
	e, ok := c.extent(fmt.Sprintf("%s, record %d", where, n+1), b)
	self := int(b[32]) == 1 && b[nameAt] == byte(n)
	if n < 2 {
		if !self || n == 0 && ok && e.sector != d.sector {
			c.Add(where, "its record %d is not that of %s", n+1, [2]string{"itself", "its parent"}[n])
		}
		return e, false
	}
	return e, ok && b[25]&directory != 0
}
