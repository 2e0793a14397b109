// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uuid"
	"github.com/carosio/carosbuild/pkg/disk/verity"
)

// ids are the identifiers of a partition and its file system. The file
// system's UUID is the partition's GUID, so that root=UUID= and
// root=PARTUUID= take the same value.
type ids struct {
	number   int
	uuid     uuid.UUID
	guid     uuid.UUID // of the partition
	hashSeed [16]byte
	serial   uuid.Serial
}

func (p *part) identify(seed []byte, table string) error {
	role := "partition " + strconv.Itoa(p.number)
	p.uuid = deriveUUID(seed, role+" uuid")
	p.guid = p.uuid
	p.hashSeed = deriveUUID(seed, role+" hash seed")
	p.serial = uuid.Serial(deriveUint32(seed, role+" serial"))
	switch {
	case p.Serial != nil && !p.fs.Serial:
		return fmt.Errorf("serial number %s cannot be set: what is on the partition has none", p.Serial)
	case p.Serial != nil:
		p.serial = *p.Serial
	}
	switch {
	case p.UUID != nil && table == string(partition.MBR) && !p.fs.UUID:
		return fmt.Errorf("UUID %q cannot be set: an entry of an mbr table has none, and neither has what is on the partition", p.UUID)
	case p.UUID != nil:
		p.uuid, p.guid = *p.UUID, *p.UUID
	}
	return nil
}

func (p *part) placed(table partition.Kind) Placed {
	out := Placed{
		Number: p.number, Name: p.Name, Type: p.Type, Start: p.slot.Start, Size: p.slot.Size,
		FS: p.FS, Label: p.Label,
	}
	switch {
	case p.fs.UUID:
		out.UUID = p.uuid.String()
	case p.fs.Serial:
		out.UUID = p.serial.String()
	}
	if table == partition.GPT {
		out.PartUUID = p.guid.String()
	}
	out.RootHash = hex.EncodeToString(p.root)
	return out
}

// content is the tree, or an empty one. Root hashes that are not known yet are
// replaced by zeros.
func (p *part) content(s *Spec, parts []*part) (*tree.Tree, error) {
	switch {
	case p.Files != nil:
		roots := map[string]string{}
		for _, v := range parts {
			if v.fs.Of {
				roots[v.Of] = hex.EncodeToString(append(v.root, make([]byte, sha256.Size-len(v.root))...))
			}
		}
		return p.Files(roots)
	case p.Tree != nil:
		return p.Tree, nil
	}
	return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755, Mtime: s.Time}}}, nil
}

func (p *part) ext4Options(s *Spec) ext4.Options {
	return ext4.Options{Label: p.Label, UUID: p.uuid, HashSeed: p.hashSeed, Time: s.Time, Compat: p.Compat}
}

func (p *part) fatOptions(s *Spec, bits int) fat.Options {
	return fat.Options{
		Size: p.slot.Size, Label: p.Label, Serial: uint32(p.serial), Time: s.Time,
		Hidden: uint32(p.slot.Start / partition.SectorSize), Bits: bits,
	}
}

// bytes is the requested size of the partition.
func (p *part) bytes(s *Spec, parts []*part) (int64, error) {
	if !p.size.Fit && !p.size.Rest {
		return p.size.Bytes, nil
	}
	extra := p.size.Bytes
	n, err := p.least(s, parts, extra)
	switch {
	case err != nil:
		return 0, err
	case p.fs.free: // the extra size is free space
		return n, nil
	case n > 1<<60 || extra > 1<<60:
		return 0, fmt.Errorf("size out of range")
	}
	return n + extra, nil
}

// least is the smallest size in which the content fits.
func (p *part) least(s *Spec, parts []*part, free int64) (int64, error) {
	m, err := p.making(s, parts)
	switch {
	case err != nil:
		return 0, err
	case p.fs.least == nil:
		return leastImage(m, free)
	}
	return p.fs.least(m, free)
}

// making has what the content is made from. Content that was made early needs no
// tree.
func (p *part) making(s *Spec, parts []*part) (making, error) {
	m := making{part: p, spec: s, parts: parts}
	var err error
	if p.fs.Items && (!p.fs.early || p.image == nil) {
		m.tree, err = p.content(s, parts)
	}
	return m, err
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }

// verified is the part that a verity partition verifies.
func (p *part) verified(parts []*part) (*part, error) {
	for _, d := range parts {
		if d.Name == p.Of && d.Name != "" && !d.fs.Of {
			return d, nil
		}
	}
	return nil, fmt.Errorf("verity of %q, and no such partition is there", p.Of)
}

// build makes the partition's content.
func (p *part) build(ctx context.Context, s *Spec, parts []*part) error {
	if p.fs.build != nil {
		m, err := p.making(s, parts)
		if err == nil {
			p.image, err = p.fs.build(ctx, m)
		}
		return err
	}
	var err error
	p.image = p.Raw
	if p.Raw == nil && s.BIOS != nil && isBIOS(p.Partition) {
		p.image, err = p.core(s.BIOS.Core)
	}
	return err
}

func (s *Spec) spool() (Spool, error) {
	if s.Spool == nil {
		return nil, fmt.Errorf("no scratch space is given for it")
	}
	return s.Spool()
}

// buildVerity makes the hash tree. In a GPT, the GUIDs of both partitions are
// derived from the root hash, so that a system that knows it finds them, as the
// discoverable partitions specification describes.
func buildVerity(ctx context.Context, m making) (*image.Image, error) {
	data, err := m.verified(m.parts)
	if err != nil {
		return nil, err
	}
	if data.image == nil || data.Files != nil {
		return nil, fmt.Errorf("%s has no content that could be verified", data)
	}
	o := verity.Options{Salt: deriveSalt(m.spec.Seed, m.number), UUID: m.uuid, Workers: m.spec.Workers}
	img, root, err := verity.Build(ctx, data.image, o)
	if err != nil {
		return nil, err
	}
	m.root = root
	data.image = data.image.Solid() // its holes are verified, too
	if data.UUID == nil {
		data.guid = uuid.UUID(root[:16])
	}
	if m.UUID == nil {
		m.guid = uuid.UUID(root[16:])
	}
	return img, nil
}

// core is GRUB's core image.
func (p *part) core(data []byte) (*image.Image, error) {
	core, err := grub.Core(data, uint64(p.slot.Start/partition.SectorSize))
	if err != nil {
		return nil, err
	}
	return image.New(int64(len(core)), []image.Extent{{Len: int64(len(core)), Src: image.Bytes(core)}})
}
