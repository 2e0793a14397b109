// SPDX-License-Identifier: MPL-2.0

// Package fat turns a tree into a FAT32 or FAT16 file system, as an image whose file
// contents stay where they are. It writes once, front to back, with every
// chain contiguous: the same tree and options give the same bytes. Names are
// VFAT long names in UTF-16 with 8.3 aliases. Owners, permissions and extended
// attributes have no place in FAT and are ignored; hard links become copies.
// FAT12, exFAT and changing an existing file system are left out.
package fat

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Options of Build.
type Options struct {
	Size   int64  // of the file system, in bytes; a remainder below 512 is unused
	Label  string // volume label, at most 11 ASCII characters; "" for none
	Serial uint32 // volume serial number, shown as XXXX-XXXX
	Hidden uint32 // sectors of 512 bytes before the file system: where its partition starts
	Time   int64  // of the label's entry, seconds since 1970
	Bits   int    // bits of an entry of the FAT, 16 or 32; 0 is 32
}

// Build makes a file system of o.Size bytes with the content of t. Modification
// times are stored in UTC and clamped to 1980..2107. Errors are *PathError,
// *CollisionError, *SpaceError, *TooSmallError, ErrLabel, ErrTooBig or ErrTooBig16.
func Build(t *tree.Tree, o Options) (*image.Image, error) {
	label, err := volumeLabel(o.Label)
	if err != nil {
		return nil, err
	}
	g, err := newGeometry(o.Size, o.Bits)
	if err != nil {
		return nil, err
	}
	root, err := load(t, label != nil)
	if err != nil {
		return nil, err
	}
	need, err := g.place(root)
	if err != nil {
		return nil, err
	}
	if used := need - 2; used > g.clusters {
		minimum, merr := MinSize(t, o)
		if merr != nil {
			return nil, merr
		}
		return nil, &SpaceError{Need: used * g.clusterBytes(), Have: g.clusters * g.clusterBytes(), MinSize: minimum}
	}
	w := &writer{geometry: g, label: label, o: o}
	w.directory(root, root)
	w.tables(need)
	m, err := image.New(o.Size, w.extents)
	if err != nil {
		return nil, fmt.Errorf("lay out FAT: %w", err)
	}
	return m, nil
}

// MinSize is the smallest size in bytes, a multiple of 1 MiB, for which Build
// succeeds with the tree and the options; o.Size is ignored.
func MinSize(t *tree.Tree, o Options) (int64, error) {
	l, err := volumeLabel(o.Label)
	if err != nil {
		return 0, err
	}
	root, err := load(t, l != nil)
	if err != nil {
		return 0, err
	}
	if o.Bits == 16 {
		return minSize16(root)
	}
	for _, c := range clusterClasses {
		need := root.place(2, c.sectors*sectorSize)
		size := max(c.from, sizeFor(max(need-2, minClusters), c.sectors))
		if size < c.below {
			return size, nil
		}
	}
	return 0, ErrTooBig
}

// minSize16 tries one size after another: the size of clusters depends on it, and
// the number of clusters depends on their size.
func minSize16(root *node) (int64, error) {
	for size := int64(min16); ; size += 1 << 20 {
		g, err := newGeometry16(size)
		if err != nil {
			return 0, err
		}
		need, err := g.place(root)
		if err != nil {
			return 0, err
		}
		if need-2 <= g.clusters {
			return size, nil
		}
	}
}
