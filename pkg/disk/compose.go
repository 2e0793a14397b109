// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/partition"
)

// part is a partition on its way from Spec to Layout.
type part struct {
	Partition
	size partitionSize
	slot partition.Slot
	ids
}

func (p *part) String() string {
	if p.Name != "" {
		return fmt.Sprintf("partition %q", p.Name)
	}
	return fmt.Sprintf("partition %d", p.number)
}

// Compose lays the disk out and builds its file systems. File contents are not
// read; they stay where the trees have them until the Image is read.
func Compose(s Spec) (*Layout, error) {
	parts, err := s.parts()
	if err != nil {
		return nil, err
	}
	blobs, err := s.regions()
	if err != nil {
		return nil, err
	}
	size, err := s.place(parts, blobs)
	if err != nil {
		return nil, err
	}
	l := &Layout{Table: partition.Kind(s.Table)}
	var extents []image.Extent
	for i, b := range blobs {
		extents = append(extents, image.Extent{Off: b.Off, Len: b.Len, Src: image.Bytes(s.Blobs[i].Data)})
	}
	for _, p := range parts {
		m, err := p.build(&s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		placed := p.placed(l.Table)
		if m != nil {
			for _, x := range m.Extents() {
				placed.Used += x.Len
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

// parts checks the partitions one by one and gives them identifiers.
func (s *Spec) parts() ([]*part, error) {
	declared := s.Partitions
	if s.BIOS != nil {
		if s.Table != string(partition.GPT) {
			return nil, fmt.Errorf("GRUB for BIOS needs a gpt table, and this disk has %q", s.Table)
		}
		if !slices.ContainsFunc(declared, isBIOS) {
			declared = append([]Partition{{Name: "bios", Type: "bios"}}, declared...)
		}
	}
	parts := make([]*part, len(declared))
	for i, d := range declared {
		p := &part{Partition: d}
		p.number = i + 1
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		if err := p.identify(s.Seed, s.Table); err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		parts[i] = p
	}
	return parts, nil
}

// biosSize holds any core.img.
const biosSize = "1M"

// isBIOS reports whether GRUB's core.img belongs on the partition.
func isBIOS(p Partition) bool { return strings.EqualFold(p.Type, "bios") }

func (p *part) check() error {
	if isBIOS(p.Partition) && p.Size == "" && p.Raw == nil {
		p.Size = biosSize
	}
	var err error
	if p.size, err = parsePartitionSize(p.Size); err != nil {
		return err
	}
	if p.Type == "" {
		p.Type = "linux"
		if p.FS == "fat32" {
			p.Type = "fat32"
		}
	}
	switch {
	case p.FS != "" && p.FS != "ext4" && p.FS != "fat32":
		return fmt.Errorf("file system %q is neither ext4 nor fat32", p.FS)
	case p.FS != "" && p.Raw != nil:
		return fmt.Errorf("both a file system and raw data")
	case p.FS == "" && p.Tree != nil:
		return fmt.Errorf("files, but no file system to hold them")
	case p.FS == "" && p.Label != "":
		return fmt.Errorf("label %q without a file system", p.Label)
	case p.FS == "" && p.Raw == nil && p.size.fit:
		return fmt.Errorf("neither size nor content")
	}
	return nil
}

func (s *Spec) regions() ([]partition.Region, error) {
	var regions []partition.Region
	for _, b := range s.Blobs {
		at, err := ParseSize(b.At)
		if err != nil {
			return nil, fmt.Errorf("%s: offset: %w", b.Name, err)
		}
		regions = append(regions, partition.Region{Name: b.Name, Off: at, Len: int64(len(b.Data))})
	}
	return regions, nil
}

// place gives every part its slot and returns the disk's size.
func (s *Spec) place(parts []*part, blobs []partition.Region) (int64, error) {
	var size int64
	var err error
	if s.Size != "" {
		if size, err = ParseSize(s.Size); err != nil {
			return 0, fmt.Errorf("disk size: %w", err)
		}
		if size == 0 {
			return 0, fmt.Errorf("disk size: %q is nothing", s.Size)
		}
	}
	requests := make([]partition.Request, len(parts))
	for i, p := range parts {
		r := partition.Request{Name: p.Name}
		if p.Start != "" {
			if r.Start, err = ParseSize(p.Start); err != nil {
				return 0, fmt.Errorf("%s: start: %w", p, err)
			}
			if r.Start == 0 {
				return 0, fmt.Errorf("%s: a partition cannot start at 0", p)
			}
		}
		// The rest of a disk that is as large as its partitions is what fits.
		if p.size.rest && size > 0 {
			r.Size = partition.Rest
		} else if r.Size, err = p.bytes(s); err != nil {
			return 0, fmt.Errorf("%s: %w", p, err)
		}
		requests[i] = r
	}
	slots, size, err := partition.Place(partition.Kind(s.Table), requests, blobs, size)
	if err != nil {
		return 0, err
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
		l.Signature = deriveUint32(s.Seed, "mbr signature")
		t.Signature = l.Signature
	} else {
		l.GUID = s.GUID
		if l.GUID == "" {
			l.GUID = formatUUID(deriveUUID(s.Seed, "disk guid"))
		}
		t.GUID = l.GUID
	}
	for i, p := range parts {
		if l.Table == partition.MBR {
			l.Partitions[i].PartUUID = fmt.Sprintf("%08x-%02x", l.Signature, p.number)
		}
		if s.BIOS != nil && isBIOS(p.Partition) {
			boot, err := grub.BootSector(s.BIOS.Boot, uint64(p.slot.Start/partition.SectorSize))
			if err != nil {
				return nil, err
			}
			t.BootCode = boot[:]
		}
		t.Entries = append(t.Entries, partition.Entry{
			Slot: p.slot, Type: p.Type, Name: p.Name, GUID: formatUUID(p.uuid), Active: p.Active,
		})
	}
	return t.Extents()
}
