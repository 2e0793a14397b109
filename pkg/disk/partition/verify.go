// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"cmp"
	"slices"
)

// area is a named part of the disk.
type area struct {
	name       string
	start, end int64
}

// verify refuses overlaps and everything outside the disk.
func (p *placer) verify() error {
	from, to := p.usable()
	var areas []area
	for i, s := range p.slots {
		if s.Start < from {
			return layoutError("%s starts at %d, inside the partition table, which ends at %d", p.name(i), s.Start, from)
		}
		if s.End() > to {
			return layoutError("%s ends at %d, and the disk has room up to %d: %d bytes too few", p.name(i), s.End(), to, s.End()-to)
		}
		if p.kind == MBR && (s.Start/SectorSize >= mbrSector || s.Size/SectorSize >= mbrSector) {
			return layoutError("%s starts or is beyond 2 TiB, which an MBR table cannot express: use gpt", p.name(i))
		}
		areas = append(areas, area{p.name(i), s.Start, s.End()})
	}
	for _, b := range p.blobs {
		if b.Off < 0 || b.Len < 0 || b.Len > p.size-b.Off {
			return layoutError("%s at %d, %d bytes, is outside the disk of %d bytes", b.Name, b.Off, b.Len, p.size)
		}
		areas = append(areas, area{b.Name, b.Off, b.Off + b.Len})
	}
	areas = append(areas, p.tables()...)
	slices.SortStableFunc(areas, func(a, b area) int { return cmp.Compare(a.start, b.start) })
	for i := 1; i < len(areas); i++ {
		if a, b := areas[i-1], areas[i]; b.start < a.end {
			return layoutError("%s (%d to %d) overlaps %s (%d to %d)", b.name, b.start, b.end, a.name, a.start, a.end)
		}
	}
	return nil
}

// tables is the area that the partition table itself occupies. A blob may contain
// the boot code before it.
func (p *placer) tables() []area {
	if p.kind == MBR {
		return []area{{"the MBR partition table", mbrBoot, SectorSize}}
	}
	return []area{
		{"the GPT partition table", mbrBoot, gptFront},
		{"the GPT backup table", p.size - gptBack, p.size},
	}
}
