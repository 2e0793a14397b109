// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"errors"
	"fmt"
)

// fit places a content in a file system of the size in o.
func fit(c *content, o Options) (*layout, error) {
	n := o.Size / blockSize
	g, err := newGeometry(n, c.lastIno(), o)
	var space *SpaceError
	var small *smallError
	switch {
	case errors.As(err, &space): // inodes are missing: find the numbers for blocks
		p := o
		p.Inodes = 0
		if g, err := newGeometry(n, 0, p); err == nil {
			space = allocate(c, g, o).spaceError(space.AvailableInodes)
		}
	case errors.As(err, &small):
		space = &SpaceError{NeededInodes: c.lastIno()}
	case err != nil:
		return nil, err
	default:
		l := allocate(c, g, o)
		if l.used <= g.blocks {
			return l, nil
		}
		space = l.spaceError(g.groups * g.groupInodes)
	}
	space.Size = n * blockSize
	o.Free = 0
	if l, err := smallest(c, o); err == nil {
		space.Least = l.geo.blocks * blockSize
		space.Needed = (l.used - l.own()) * blockSize
	}
	return nil, space
}

// own is the number of blocks of the file system itself: tables, journal and the
// resize inode's block.
func (l *layout) own() int64 {
	n := l.geo.journal + 1
	for _, s := range l.geo.fixed {
		n += s.end - s.start
	}
	return n
}

// spaceError describes a layout that does not fit.
func (l *layout) spaceError(inodes int64) *SpaceError {
	e := &SpaceError{
		Size:            l.geo.blocks * blockSize,
		Needed:          (l.used - l.own()) * blockSize,
		Usable:          max(l.geo.blocks-l.own(), 0) * blockSize,
		NeededInodes:    l.lastIno(),
		AvailableInodes: inodes,
	}
	if l.noRoom >= 0 {
		e.Path = l.entry(l.noRoom).Path
	}
	return e
}

// smallest finds the smallest file system for a content and o.Free. It starts below
// the required size and adds what turns out to be missing, so the first size that
// is sufficient is the smallest.
func smallest(c *content, o Options) (*layout, error) {
	for n := int64(1); ; {
		g, err := newGeometry(n, c.lastIno(), o)
		var small *smallError
		var space *SpaceError
		switch {
		case errors.As(err, &small):
			n = max(small.next, n+1)
			continue
		case errors.As(err, &space) && o.Inodes == 0: // more groups have more inodes
			n += 64
			continue
		case err != nil:
			return nil, err
		}
		l := allocate(c, g, o)
		missing := l.used + o.freeBlocks(g) - g.blocks
		if missing <= 0 {
			return l, nil
		}
		if g.blocks < n { // the last group was dropped: continue with a size at which it is kept
			n = max(n+1, g.blocks+min(missing, groupBlocks), g.blocks+g.leastGroup(g.groups))
		} else {
			n += missing
		}
		if n > maxBlocks {
			return nil, fmt.Errorf("ext4: %w: %d bytes", ErrTooLarge, n*blockSize)
		}
	}
}

// freeBlocks is the number of blocks that must remain for statfs(2) to report
// o.Free as available: it does not count the share of the superuser and what the
// kernel reserves for delayed allocation (ext4_calculate_resv_clusters).
func (o *Options) freeBlocks(g *geometry) int64 {
	if o.Free == 0 {
		return 0
	}
	return blocks(o.Free) + g.reserved + min(g.blocks/50, 4096)
}
