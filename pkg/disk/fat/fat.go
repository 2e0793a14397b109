// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package fat turns a tree into a FAT32 file system, as an image whose file
// contents stay where they are. It writes once, front to back, with every
// chain contiguous: the same tree and options give the same bytes. Names are
// VFAT long names in UTF-16 with 8.3 aliases. Owners, permissions and extended
// attributes have no place in FAT and are ignored; hard links become copies.
// FAT12, FAT16, exFAT and changing an existing file system are left out.
package fat

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Options of Build.
type Options struct {
	Size   int64  // of the file system, in bytes; a rest below 512 stays unused
	Label  string // volume label, at most 11 ASCII characters; "" for none
	Serial uint32 // volume serial number, shown as XXXX-XXXX
	Hidden uint32 // sectors of 512 bytes before the file system: where its partition starts
	Time   int64  // of the label's entry, seconds since 1970
}

// Build makes a FAT32 file system of o.Size bytes that holds t. Modification
// times are stored in UTC and clamped to 1980..2107. Errors are *PathError,
// *CollisionError, *SpaceError, *TooSmallError, ErrLabel or ErrTooBig.
func Build(t *tree.Tree, o Options) (*image.Image, error) {
	label, err := volumeLabel(o.Label)
	if err != nil {
		return nil, err
	}
	g, err := newGeometry(o.Size)
	if err != nil {
		return nil, err
	}
	root, err := load(t, label != nil)
	if err != nil {
		return nil, err
	}
	need, err := root.place(2, g.clusterBytes())
	if err != nil {
		return nil, err
	}
	if used := need - 2; used > g.clusters {
		minimum, merr := MinSize(t, o.Label)
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
		return nil, fmt.Errorf("lay out FAT32: %w", err)
	}
	return m, nil
}

// MinSize is the smallest size in bytes, a multiple of 1 MiB, for which Build
// succeeds with the tree and label.
func MinSize(t *tree.Tree, label string) (int64, error) {
	l, err := volumeLabel(label)
	if err != nil {
		return 0, err
	}
	root, err := load(t, l != nil)
	if err != nil {
		return 0, err
	}
	for _, c := range clusterClasses {
		need, err := root.place(2, c.sectors*sectorSize)
		if err != nil {
			return 0, err
		}
		size := max(c.from, sizeFor(max(need-2, minClusters), c.sectors))
		if size < c.below {
			return size, nil
		}
	}
	return 0, ErrTooBig
}
