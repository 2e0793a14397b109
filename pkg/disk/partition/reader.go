// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Found is the partition table of a disk.
type Found struct {
	Kind      Kind  // "" for none
	Sector    int64 // sector size in bytes that its numbers count: 512, or 4096 with some GPT
	Size      int64 // of the disk, in bytes
	GUID      string
	Signature uint32
	Boot      []byte // the first 440 bytes; nil if they are zero
	Hybrid    bool   // an MBR beside a GPT that has more than the protective entry
	Parts     []Part
	Places    []Slot // the places of the table's own structures, of all copies
	Problems  []damage.Problem
}

// Part is a partition of a Found table. Type is a GUID or two hexadecimal digits;
// TypeName is its name.
type Part struct {
	Entry
	Number  int  // as in /dev/sdaN
	Logical bool // MBR: inside the extended partition
}

// AttributeNames are the names of the partition's attributes, as for AttributeBits;
// attributes without a name are left out.
func (p Part) AttributeNames() []string {
	var out []string
	for _, a := range attributes() {
		if p.Attributes>>a.bit&1 != 0 {
			out = append(out, a.name)
		}
	}
	return out
}

// reader reads one table.
type reader struct {
	r        io.ReaderAt
	out      Found
	problems damage.List
	disc     bool // an ISO 9660 volume begins on the disk
}

// Read reads the partition table of a disk of size bytes. Mistakes in the table are
// in Problems; the error is a read error.
func Read(r io.ReaderAt, size int64) (*Found, error) {
	d := &reader{r: r, out: Found{Sector: SectorSize, Size: size}}
	if size < SectorSize {
		return &d.out, nil
	}
	if err := d.read(); err != nil {
		return nil, fmt.Errorf("read partition table: %w", err)
	}
	d.out.Problems = d.problems.Problems()
	return &d.out, nil
}

func (d *reader) read() error {
	b, err := d.bytes(0, SectorSize)
	if err != nil {
		return err
	}
	d.disc = d.isDisc()
	if slices.ContainsFunc(b[:mbrBoot], func(c byte) bool { return c != 0 }) {
		d.out.Boot = b[:mbrBoot]
	}
	entries := mbrTable(b)
	protective := slices.ContainsFunc(entries, func(e mbrRecord) bool { return e.code == typeProtective })
	found, err := d.gpt(protective)
	if err != nil {
		return err
	}
	switch {
	case found:
		d.place(0, SectorSize)
		d.out.Signature = le.Uint32(b[440:])
		d.protective(b, entries)
	case len(entries) > 0:
		d.place(0, SectorSize)
		d.out.Kind, d.out.Signature = MBR, le.Uint32(b[440:])
		if err := d.mbr(entries); err != nil {
			return err
		}
	}
	d.overlaps()
	return nil
}

func (d *reader) place(start, size int64) {
	d.out.Places = append(d.out.Places, Slot{Start: start, Size: size})
}

// isDisc reports whether the disk is also an ISO 9660 disc. The table of such a
// hybrid disc is for firmware and not for a system that mounts partitions: one may
// begin at the table itself, and others may be inside it; and a disc may be on a
// larger medium than it was made for.
func (d *reader) isDisc() bool {
	b := make([]byte, len(discMark))
	n, _ := d.r.ReadAt(b, discMarkAt)
	return n == len(b) && string(b) == discMark
}

// The identifier of ISO 9660's primary volume descriptor.
const (
	discMark   = "\x01CD001"
	discMarkAt = 16 * 2048
)

// bytes reads n bytes, or returns an error if the disk does not have them.
func (d *reader) bytes(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if k, err := d.r.ReadAt(b, off); k < len(b) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}

// mbrTable returns the entries of a boot sector, if it can be a partition table: a
// FAT file system's boot sector ends in the same two bytes.
func mbrTable(b []byte) []mbrRecord {
	if le.Uint16(b[510:]) != mbrMagic {
		return nil
	}
	var out []mbrRecord
	used := false
	for i := range mbrMax {
		e := parseMBR(b[mbrEntries+i*mbrRecordSize:])
		if e.status&0x7F != 0 {
			return nil
		}
		used = used || e.code != 0 && e.count != 0
		out = append(out, e)
	}
	if !used || fatVolume(b) && slices.ContainsFunc(out, func(e mbrRecord) bool { return e.code != 0 && e.count != 0 && e.start == 0 }) {
		return nil
	}
	return out
}

// fatVolume reports whether a sector is the boot sector of a FAT file system. It
// may have something in the place of a table: boot code, or an entry for the whole
// disk for older systems.
func fatVolume(b []byte) bool {
	size, cluster := le.Uint16(b[11:]), b[13]
	return (b[0] == 0xEB || b[0] == 0xE9) && size >= 512 && size <= 4096 && size&(size-1) == 0 && cluster != 0 && cluster&(cluster-1) == 0 &&
		le.Uint16(b[14:]) != 0 && (b[16] == 1 || b[16] == 2) && b[21] >= 0xF0
}

// protective checks the MBR beside a GPT.
func (d *reader) protective(b []byte, entries []mbrRecord) {
	if le.Uint16(b[510:]) != mbrMagic {
		d.problems.Add("protective MBR", "it does not end in 55 AA")
		return
	}
	i := slices.IndexFunc(entries, func(e mbrRecord) bool { return e.code == typeProtective })
	if i < 0 {
		if !d.disc { // for some firmware, a disc has an MBR with the same content in its own form
			d.problems.Add("protective MBR", "it has no entry of type EE")
		}
		return
	}
	for k, e := range entries {
		if k == i || e.code == 0 {
			continue
		}
		d.out.Hybrid = true
		if end := e.start + e.count; end*d.out.Sector > d.out.Size {
			d.problems.Add("protective MBR", "entry %d ends at sector %d, beyond the disk", k+1, end)
		}
	}
	e, last := entries[i], d.out.Size/d.out.Sector-1
	switch {
	case e.start != 1:
		d.problems.Add("protective MBR", "its entry starts at sector %d, not 1", e.start)
	case !d.out.Hybrid && !d.disc && e.count != min(last, 0xFFFFFFFF) && e.count != 0xFFFFFFFF:
		d.problems.Add("protective MBR", "its entry has %d sectors, the disk has %d after the first", e.count, last)
	}
}

// overlaps checks that no two partitions share a sector.
func (d *reader) overlaps() {
	parts := slices.DeleteFunc(slices.Clone(d.out.Parts), func(p Part) bool { return p.Size <= 0 })
	slices.SortStableFunc(parts, func(a, b Part) int { return cmp.Compare(a.Start, b.Start) })
	for i := 1; i < len(parts); i++ {
		a, b := parts[i-1], parts[i]
		if b.Start < a.End() && !d.disc {
			d.problems.Add(fmt.Sprintf("partition %d", b.Number), "starts at byte %d, inside partition %d, which ends at %d", b.Start, a.Number, a.End())
		}
	}
}
