// SPDX-License-Identifier: MPL-2.0

// Package partition computes the places of partitions, writes GPT and MBR tables as
// image extents, and reads and checks those of a disk. Writing logical partitions
// inside an extended one, and changing an existing table, are left out.
package partition

import (
	"errors"
	"fmt"
)

// SectorSize is the size of a logical sector in bytes.
const SectorSize = 512

const (
	// Align is the default alignment of partitions: 1 MiB.
	Align = 1 << 20

	gptFront  = 34 * SectorSize // LBA 0 to 33: protective MBR, header, 128 entries
	gptBack   = 33 * SectorSize // entries and header again
	mbrBoot   = 440             // the disk signature, which ends the boot code
	mbrMax    = 4
	gptMax    = 128
	mbrSector = 1 << 32 // sector numbers and counts are 32 bits
)

// Kind is the kind of a partition table.
type Kind string

// The kinds of table.
const (
	GPT Kind = "gpt"
	MBR Kind = "mbr"
)

// Rest as a Request's size takes the remaining space.
const Rest int64 = -1

// Request asks for a partition.
type Request struct {
	Name  string // for messages; "" means the number
	Start int64  // in bytes; 0 means the next aligned offset
	Size  int64  // in bytes, rounded up to sectors; Rest for the remaining space
	Align int64  // of a Start that is not given; 0 means Align
}

// Region is raw data at a fixed offset.
type Region struct {
	Name string
	Off  int64
	Len  int64
}

// Slot is the place of a partition, in bytes.
type Slot struct{ Start, Size int64 }

// End is the first byte after the slot.
func (s Slot) End() int64 { return s.Start + s.Size }

// ErrLayout is wrapped by all errors of Place.
var ErrLayout = errors.New("partitions cannot be laid out")

func layoutError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLayout, fmt.Sprintf(format, args...))
}

// Place gives every request its slot, in order, and returns the size of the disk in
// bytes: diskSize or, if that is 0, the smallest multiple of 1 MiB that contains
// everything. Partitions without a given start avoid the blobs.
func Place(kind Kind, parts []Request, blobs []Region, diskSize int64) ([]Slot, int64, error) {
	p := &placer{kind: kind, parts: parts, blobs: blobs, size: diskSize, slots: make([]Slot, len(parts))}
	if err := p.check(); err != nil {
		return nil, 0, err
	}
	if err := p.place(); err != nil {
		return nil, 0, err
	}
	if err := p.verify(); err != nil {
		return nil, 0, err
	}
	return p.slots, p.size, nil
}

type placer struct {
	kind  Kind
	parts []Request
	blobs []Region
	size  int64
	slots []Slot
}

func (p *placer) name(i int) string {
	if n := p.parts[i].Name; n != "" {
		return fmt.Sprintf("partition %q", n)
	}
	return fmt.Sprintf("partition %d", i+1)
}

func (p *placer) check() error {
	if p.kind != GPT && p.kind != MBR {
		return layoutError("table %q is neither gpt nor mbr", p.kind)
	}
	limit := mbrMax
	if p.kind == GPT {
		limit = gptMax
	}
	if len(p.parts) > limit {
		return layoutError("%d partitions, and an %s table holds %d", len(p.parts), p.kind, limit)
	}
	if p.size < 0 || p.size%SectorSize != 0 {
		return layoutError("disk size %d is not a multiple of %d bytes", p.size, SectorSize)
	}
	rest := -1
	for i, r := range p.parts {
		switch {
		case r.Size == 0 || r.Size < Rest || r.Size > 1<<60 || r.Start < 0 || r.Start > 1<<60:
			return layoutError("%s: start %d, size %d", p.name(i), r.Start, r.Size)
		case r.Start%SectorSize != 0:
			return layoutError("%s: start %d is not a multiple of %d bytes", p.name(i), r.Start, SectorSize)
		case r.Size == Rest && rest >= 0:
			return layoutError("%s and %s both take the rest of the disk", p.name(rest), p.name(i))
		case r.Size == Rest && p.size == 0:
			return layoutError("%s takes the rest of a disk whose size is not given", p.name(i))
		case r.Size == Rest:
			rest = i
		}
	}
	return nil
}

// usable is the range that partitions may use.
func (p *placer) usable() (from, to int64) {
	if p.kind == GPT {
		return gptFront, p.size - gptBack
	}
	return SectorSize, p.size
}

// place goes forward from the front, and backward from the end to the partition
// that takes the rest.
func (p *placer) place() error {
	next, rest := int64(Align), len(p.parts)
	for i, r := range p.parts {
		start := r.Start
		if start == 0 {
			start = p.avoid(next, r)
		}
		p.slots[i] = Slot{start, roundUp(max(r.Size, 0), SectorSize)}
		next = p.slots[i].End()
		if r.Size == Rest {
			rest = i
			break
		}
	}
	if p.size == 0 {
		for _, s := range p.slots {
			p.size = max(p.size, s.End())
		}
		for _, b := range p.blobs {
			p.size = max(p.size, b.Off+b.Len)
		}
		p.size = roundUp(max(p.size, Align), Align)
		if p.kind == GPT {
			p.size += Align
		}
	}
	_, to := p.usable()
	to = to / SectorSize * SectorSize
	for i := len(p.parts) - 1; i > rest; i-- {
		r := p.parts[i]
		size := roundUp(r.Size, SectorSize)
		start := r.Start
		if start == 0 {
			start = (to - size) / r.align() * r.align()
		}
		p.slots[i] = Slot{start, size}
		to = start
	}
	if rest < len(p.parts) {
		s := &p.slots[rest]
		if s.Size = to - s.Start; s.Size < SectorSize {
			return layoutError("%s: nothing is left for it; the disk has %d bytes", p.name(rest), p.size)
		}
	}
	return nil
}

func (r Request) align() int64 {
	if r.Align > 0 {
		return r.Align
	}
	return Align
}

// avoid is the first aligned offset from next on at which r does not overlap a
// blob.
func (p *placer) avoid(next int64, r Request) int64 {
	start := roundUp(next, r.align())
	for again := true; again; {
		again = false
		for _, b := range p.blobs {
			if b.Off < start+max(r.Size, 1) && start < b.Off+b.Len {
				start = roundUp(b.Off+b.Len, r.align())
				again = true
			}
		}
	}
	return start
}

func roundUp(n, to int64) int64 { return (n + to - 1) / to * to }
