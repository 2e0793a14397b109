// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"fmt"
	"strconv"

	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// ids are the identifiers of a partition and its file system. The file
// system's UUID is the partition's GUID, so that root=UUID= and
// root=PARTUUID= take the same value.
type ids struct {
	number   int
	uuid     [16]byte
	hashSeed [16]byte
	serial   uint32
}

func (p *part) identify(seed []byte, table string) error {
	role := "partition " + strconv.Itoa(p.number)
	p.uuid = deriveUUID(seed, role+" uuid")
	p.hashSeed = deriveUUID(seed, role+" hash seed")
	p.serial = deriveUint32(seed, role+" serial")
	if p.UUID == "" {
		return nil
	}
	if p.FS == "fat32" {
		if n, ok := parseSerial(p.UUID); ok {
			p.serial = n
			return nil
		}
	}
	if table == string(partition.MBR) && p.FS != "ext4" {
		return fmt.Errorf("UUID %q has no place: the table is mbr and there is no ext4", p.UUID)
	}
	var err error
	p.uuid, err = parseUUID(p.UUID)
	return err
}

func (p *part) placed(table partition.Kind) Placed {
	out := Placed{
		Number: p.number, Name: p.Name, Type: p.Type, Start: p.slot.Start, Size: p.slot.Size,
		FS: p.FS, Label: p.Label,
	}
	switch p.FS {
	case "ext4":
		out.UUID = formatUUID(p.uuid)
	case "fat32":
		out.UUID = formatSerial(p.serial)
	}
	if table == partition.GPT {
		out.PartUUID = formatUUID(p.uuid)
	}
	return out
}

// content is the tree, or an empty one.
func (p *part) content(s *Spec) *tree.Tree {
	if p.Tree != nil {
		return p.Tree
	}
	return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755, Mtime: s.Time}}}
}

func (p *part) ext4Options(s *Spec) ext4.Options {
	return ext4.Options{Label: p.Label, UUID: p.uuid, HashSeed: p.hashSeed, Time: s.Time}
}

// bytes is the size that the partition asks for.
func (p *part) bytes(s *Spec) (int64, error) {
	if !p.size.fit && !p.size.rest {
		return p.size.bytes, nil
	}
	extra := p.size.bytes
	switch p.FS {
	case "ext4":
		o := p.ext4Options(s)
		o.Free = extra
		return ext4.MinSize(p.content(s), o)
	case "fat32":
		n, err := fat.MinSize(p.content(s), fat.Options{Label: p.Label})
		return n + extra, err
	}
	if p.Raw == nil {
		return 0, fmt.Errorf("nothing to take the size from: the disk has no size, nor has the partition content")
	}
	if p.Raw.Size() > 1<<60 || extra > 1<<60 {
		return 0, fmt.Errorf("size out of range")
	}
	return p.Raw.Size() + extra, nil
}

// build makes the partition's content, nil for nothing.
func (p *part) build(s *Spec) (*image.Image, error) {
	switch p.FS {
	case "ext4":
		o := p.ext4Options(s)
		o.Size = p.slot.Size
		return ext4.Build(p.content(s), o)
	case "fat32":
		return fat.Build(p.content(s), fat.Options{
			Size: p.slot.Size, Label: p.Label, Serial: p.serial, Time: s.Time,
			Hidden: uint32(p.slot.Start / partition.SectorSize),
		})
	}
	m := p.Raw
	if m == nil && s.BIOS != nil && isBIOS(p.Partition) {
		core, err := grub.Core(s.BIOS.Core, uint64(p.slot.Start/partition.SectorSize))
		if err != nil {
			return nil, err
		}
		if m, err = image.New(int64(len(core)), []image.Extent{{Len: int64(len(core)), Src: image.Bytes(core)}}); err != nil {
			return nil, err
		}
	}
	if m != nil && m.Size() > p.slot.Size {
		return nil, fmt.Errorf("content of %d bytes is larger than the partition's %d", m.Size(), p.slot.Size)
	}
	return m, nil
}
