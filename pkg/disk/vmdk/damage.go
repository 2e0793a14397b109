// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Check checks the file's structure: header and footer, both directories and their
// tables, the places of grains, and that the content of compressed grains matches
// their checksums. It reads all of a compressed file.
func (v *Reader) Check(ctx context.Context) []damage.Problem {
	c := &checker{v: v}
	if v.h.unclean != 0 {
		c.Add("header", "the disk was not closed by the program that wrote to it last")
	}
	c.footer()
	if _, err := v.Descriptor(); err != nil {
		c.Add("descriptor", "%v", err)
	}
	c.redundant()
	c.grains(ctx)
	return c.Problems()
}

type checker struct {
	damage.List
	v *Reader
}

// footer compares the header with its copy at the end.
func (c *checker) footer() {
	b, err := c.v.sectors(0, 1)
	if err != nil {
		c.Add("header", "%v", err)
		return
	}
	front, err := parseHeader(b)
	if err != nil {
		c.Add("header", "%v", err)
		return
	}
	if front.directory != gdAtEnd {
		return
	}
	front.directory = c.v.h.directory
	front.overhead, front.redundant = c.v.h.overhead, c.v.h.redundant
	if front != c.v.h {
		c.Add("footer", "it differs from the header")
	}
	if err := c.marker(c.v.size/sectorSize-3, markerFooter); err != nil {
		c.Add("footer", "%v", err)
	}
	if err := c.marker(c.v.size/sectorSize-1, markerEnd); err != nil {
		c.Add("end of stream", "%v", err)
	}
}

// marker checks that there is a marker of that kind at a sector.
func (c *checker) marker(at int64, kind uint32) error {
	b, err := c.v.sectors(at, 1)
	if err != nil {
		return err
	}
	if n, k := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:]); n != 0 || k != kind {
		return fmt.Errorf("there is no marker of kind %d at sector %d", kind, at)
	}
	return nil
}

// redundant compares the second directory and its tables with the first.
func (c *checker) redundant() {
	v := c.v
	if v.h.flags&flagRedundant == 0 || v.h.redundant == 0 || v.h.redundant == gdAtEnd {
		return
	}
	s := shape{tables: int64(len(v.gd))}
	b, err := v.sectors(int64(min(v.h.redundant, 1<<50)), s.directorySectors())
	if err != nil {
		c.Add("redundant directory", "%v", err)
		return
	}
	for i, first := range v.gd {
		second := binary.LittleEndian.Uint32(b[4*i:])
		if first == second {
			continue
		}
		if first == 0 || second == 0 {
			c.Add("redundant directory", "only one of the copies has table %d", i)
			continue
		}
		p, err := v.sectors(int64(first), tableSectors)
		if err != nil {
			continue // grains reports it
		}
		q, err := v.sectors(int64(second), tableSectors)
		if err != nil {
			c.Add("redundant directory", "table %d: %v", i, err)
		} else if !slices.Equal(p, q) {
			c.Add("redundant directory", "table %d differs from its first copy", i)
		}
	}
}

// place is the place of a grain or a table in the file, in sectors.
type place struct {
	start, n int64
	what     string
	no       int64
}

// grains checks tables and grains in the order of the disk.
func (c *checker) grains(ctx context.Context) {
	v := c.v
	var places []place
	all := (v.Size() + grainSize - 1) / grainSize
	for g := int64(0); g < all && ctx.Err() == nil; g++ {
		no := g / tableEntries
		if v.gd[no] == 0 {
			g = (no+1)*tableEntries - 1
			continue
		}
		if g%tableEntries == 0 {
			places = append(places, place{int64(v.gd[no]), tableSectors, "table", no})
		}
		n, at, err := c.grain(g)
		if err != nil {
			c.Add(fmt.Sprintf("grain %d", g), "%v", err)
			if n < 0 {
				g = (no+1)*tableEntries - 1
			}
			continue
		}
		if n > 0 {
			places = append(places, place{at, n, "grain", g})
		}
		if int64(len(places)) > v.size/sectorSize {
			c.Add("tables", "they name more grains than the file has sectors")
			return
		}
	}
	c.overlaps(places)
}

// grain checks one grain and returns its number of sectors: 0 for a hole, and -1 if
// its table cannot be read.
func (c *checker) grain(g int64) (n, at int64, err error) {
	v := c.v
	v.mu.Lock()
	defer v.mu.Unlock()
	sector, err := v.entry(g)
	if err != nil {
		return -1, 0, err
	}
	if sector <= 1 {
		return 0, 0, nil
	}
	at = int64(sector)
	if !v.Compressed() {
		if at > v.size/sectorSize-grainSectors {
			return 0, 0, fmt.Errorf("it is at sector %d, and the file has %d", at, v.size/sectorSize)
		}
		return grainSectors, at, nil
	}
	if err := v.load(sector, g*grainSectors); err != nil {
		return 0, 0, err
	}
	head, err := v.sectors(at, 1)
	if err != nil {
		return 0, 0, err
	}
	size := int64(binary.LittleEndian.Uint32(head[8:]))
	return (grainHeader + size + sectorSize - 1) / sectorSize, at, nil
}

// overlaps checks that no two places overlap.
func (c *checker) overlaps(places []place) {
	if end := int64(min(c.v.h.descStart+c.v.h.descSize, 1<<40)); end > 0 {
		places = append(places, place{0, end, "header", 0})
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(places); i++ {
		a, b := places[i-1], places[i]
		if b.start < a.start+a.n {
			c.Add(fmt.Sprintf("%s %d", b.what, b.no), "it is at sector %d, in %s %d", b.start, a.what, a.no)
		}
	}
}
