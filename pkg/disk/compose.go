// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/disk/partition"
)

// part is a partition between Spec and Layout.
type part struct {
	Partition
	fs    FileSystem
	index int // index in Spec.Partitions, or -1
	size  bytesize.Partition
	slot  partition.Slot
	image *image.Image // nil if empty, or before it is built
	root  []byte       // verity: the root hash
	ids
}

func (p *part) String() string {
	if p.Name != "" {
		return fmt.Sprintf("partition %q", p.Name)
	}
	return fmt.Sprintf("partition %d", p.number)
}

// Compose lays out the disk and builds its file systems. File contents are not read
// until the Image is read, except for file systems whose size or structure depends
// on them.
func Compose(ctx context.Context, s Spec) (*Layout, error) {
	parts, err := s.parts()
	if err != nil {
		return nil, err
	}
	blobs := s.regions()
	for _, p := range parts {
		if !p.fs.early { // its size is known only after it is made
			continue
		}
		if err := p.build(ctx, &s, parts); err != nil {
			return nil, s.failed(p, parts, err)
		}
	}
	size, err := s.place(parts, blobs)
	if err != nil {
		return nil, err
	}
	if err := s.build(ctx, parts); err != nil {
		return nil, err
	}
	return s.layout(parts, blobs, size)
}

// build makes the content of all partitions: verity partitions after the partition
// they verify, and partitions that contain root hashes after those.
func (s *Spec) build(ctx context.Context, parts []*part) error {
	turn := func(p *part) int {
		switch {
		case p.Files != nil:
			return 2
		case p.fs.Of:
			return 1
		}
		return 0
	}
	for n := range 3 {
		for _, p := range parts {
			if turn(p) != n || p.image != nil {
				continue
			}
			if err := p.build(ctx, s, parts); err != nil {
				return s.failed(p, parts, err)
			}
		}
	}
	return nil
}

// tableExtents is the largest number of extents of a partition table.
const tableExtents = 4

// layout puts the parts together.
func (s *Spec) layout(parts []*part, blobs []partition.Region, size int64) (*Layout, error) {
	l := &Layout{Table: partition.Kind(s.Table)}
	var extents []image.Extent
	for i, b := range blobs {
		extents = append(extents, image.Extent{Off: b.Off, Len: b.Len, Src: image.Bytes(s.Blobs[i].Data)})
	}
	for _, p := range parts {
		placed := p.placed(l.Table)
		if p.image != nil {
			if p.image.Size() > p.slot.Size {
				return nil, s.tooSmall(p, parts, p.image.Size())
			}
			extents = slices.Grow(extents, len(p.image.Extents())+tableExtents)
			for _, x := range p.image.Extents() {
				if x.Src != (image.Zeros{}) {
					placed.Used += x.Len
				}
				x.Off += p.slot.Start
				extents = append(extents, x)
			}
		}
		l.Partitions = append(l.Partitions, placed)
	}
	table, err := s.table(l, parts, size)
	if err != nil {
		return nil, err
	}
	if l.Image, err = image.New(size, append(extents, table...)); err != nil {
		return nil, fmt.Errorf("compose disk: %w", err)
	}
	return l, nil
}

// parts checks the partitions individually and gives them identifiers.
func (s *Spec) parts() ([]*part, error) {
	if s.BIOS != nil && s.Table != string(partition.GPT) {
		return nil, fmt.Errorf("GRUB for BIOS needs a gpt table, and this disk has %q", s.Table)
	}
	declared := s.declared()
	added := len(declared) - len(s.Partitions)
	parts := make([]*part, len(declared))
	for i, d := range declared {
		p := &part{Partition: d, index: i - added}
		p.number = i + 1
		if err := p.check(); err != nil {
			return nil, p.wrong(err)
		}
		if err := p.identify(s.Seed, s.Table); err != nil {
			return nil, p.wrong(err)
		}
		parts[i] = p
	}
	return parts, nil
}

// declared are the partitions, including the one that BIOS adds.
func (s *Spec) declared() []Partition {
	if s.BIOS != nil && !slices.ContainsFunc(s.Partitions, isBIOS) {
		return append([]Partition{{Name: "bios", Type: "bios"}}, s.Partitions...)
	}
	return s.Partitions
}

// biosSize is enough for any core.img.
const biosSize = 1 << 20

// isBIOS reports whether GRUB's core.img belongs on the partition.
func isBIOS(p Partition) bool { return strings.EqualFold(p.Type, "bios") }

func (p *part) check() error {
	p.fs = FileSystemOf(p.FS)
	switch open := (bytesize.Partition{}); {
	case p.Size != open:
		p.size = p.Size
	case isBIOS(p.Partition) && p.Raw == nil:
		p.size = bytesize.Partition{Bytes: biosSize}
	default:
		p.size = bytesize.Partition{Fit: true}
	}
	if p.Type == "" {
		p.Type = cmp.Or(p.fs.Type, "linux")
	}
	hasTree := p.Tree != nil || p.Files != nil
	switch {
	case p.Size.Bytes < 0 || p.Start < 0:
		return fmt.Errorf("a negative size or start")
	case p.FS != p.fs.Name:
		return fmt.Errorf("file system %q is not one of %s", p.FS, strings.Join(kind.Names(nil), ", "))
	case p.FS != "" && p.Raw != nil:
		return fmt.Errorf("both a file system and raw data")
	case !p.fs.Items && hasTree:
		return fmt.Errorf("files, but no file system to hold them")
	case p.fs.early && p.Files != nil:
		return fmt.Errorf("a root hash on a %s: its size would have to be known before", p.FS)
	case p.FS == "" && p.Label != "":
		return fmt.Errorf("label %q without a file system", p.Label)
	case p.FS == "" && p.Raw == nil && p.size.Fit:
		return fmt.Errorf("neither size nor content")
	case p.fs.Sized && p.size.Fit:
		return fmt.Errorf("%s space needs a size", p.FS)
	}
	if _, err := partition.AttributeBits(p.Attributes); err != nil {
		return err
	}
	return nil
}

func (s *Spec) regions() []partition.Region {
	var regions []partition.Region
	for _, b := range s.Blobs {
		regions = append(regions, partition.Region{Name: b.Name, Off: b.At, Len: int64(len(b.Data))})
	}
	return regions
}

// place gives every part its slot and returns the disk's size.
func (s *Spec) place(parts []*part, blobs []partition.Region) (int64, error) {
	align := cmp.Or(s.Align, partition.Align)
	switch {
	case s.Size < 0:
		return 0, errors.New("a disk of a negative size")
	case align < 0 || align%partition.SectorSize != 0:
		return 0, fmt.Errorf("alignment %d is not a multiple of %d bytes", align, partition.SectorSize)
	}
	var err error
	requests := make([]partition.Request, len(parts))
	for i, p := range parts {
		r := partition.Request{Name: p.Name, Align: align, Start: p.Start}
		// On a disk that is as large as its partitions, "rest" is the size of the
		// content.
		if p.size.Rest && s.Size > 0 {
			r.Size = partition.Rest
		} else if r.Size, err = p.bytes(s, parts); err != nil {
			return 0, s.failed(p, parts, err)
		}
		requests[i] = r
	}
	slots, size, err := partition.Place(partition.Kind(s.Table), requests, blobs, s.Size)
	if err != nil {
		return 0, s.unplaced(parts, requests, blobs, err)
	}
	for i, p := range parts {
		p.slot = slots[i]
	}
	return size, nil
}

// table is the partition table's extents.
func (s *Spec) table(l *Layout, parts []*part, size int64) ([]image.Extent, error) {
	t := partition.Table{Kind: l.Table, Size: size}
	if l.Table == partition.MBR {
		l.Signature = s.signature()
		t.Signature = l.Signature
	} else {
		guid := deriveUUID(s.Seed, "disk guid")
		if s.GUID != nil {
			guid = *s.GUID
		}
		l.GUID = guid.String()
		t.GUID = l.GUID
		if slices.ContainsFunc(parts, func(p *part) bool { return p.Hybrid }) {
			l.Signature = s.signature()
			t.Signature = l.Signature
		}
	}
	for i, p := range parts {
		if l.Table == partition.MBR {
			l.Partitions[i].PartUUID = mbrPartUUID(l.Signature, p.number)
		}
		if s.BIOS != nil && isBIOS(p.Partition) {
			boot, err := grub.BootSector(s.BIOS.Boot, uint64(p.slot.Start/partition.SectorSize))
			if err != nil {
				return nil, err
			}
			t.BootCode = boot[:]
		}
		bits, err := partition.AttributeBits(p.Attributes)
		if err != nil {
			return nil, err
		}
		t.Entries = append(t.Entries, partition.Entry{
			Slot: p.slot, Type: p.Type, Name: p.Name, GUID: p.guid.String(), Active: p.Active, Attributes: bits, Hybrid: p.Hybrid,
		})
	}
	return t.Extents()
}
