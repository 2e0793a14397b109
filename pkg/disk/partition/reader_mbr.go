// SPDX-License-Identifier: MPL-2.0

package partition

import "fmt"

// mbr reads the entries of a boot sector, and the logical partitions of
// an extended one.
func (d *reader) mbr(entries []mbrRecord) error {
	active := 0
	for i, e := range entries {
		if e.code == 0 {
			continue
		}
		if e.status == 0x80 {
			active++
		}
		if e.extended() {
			if err := d.logical(e); err != nil {
				return err
			}
			continue
		}
		d.addMBR(i+1, e, 0, false)
	}
	if active > 1 {
		d.problems.Add("MBR", "%d partitions are active", active)
	}
	return nil
}

// addMBR adds a partition whose start counts from sector base.
func (d *reader) addMBR(n int, e mbrRecord, base int64, logical bool) {
	p := Part{Number: n, Logical: logical, Entry: Entry{
		Slot: Slot{Start: (base + e.start) * SectorSize, Size: e.count * SectorSize},
		Type: fmt.Sprintf("%02X", e.code), Active: e.status == 0x80,
	}}
	d.out.Parts = append(d.out.Parts, p)
	where := fmt.Sprintf("partition %d", n)
	switch {
	case e.count == 0:
		d.problems.Add(where, "it is empty")
	case base+e.start == 0 && !d.disc:
		d.problems.Add(where, "it starts at the table itself")
	case p.End() > d.out.Size:
		d.problems.Add(where, "it ends at byte %d, and the disk has %d", p.End(), d.out.Size)
	}
}

// logical follows the chain of tables in an extended partition: each has a
// partition and the place of the next table, relative to the extended partition.
func (d *reader) logical(ext mbrRecord) error {
	at := ext.start
	for n := 5; ; n++ {
		if n >= 5+maxLogical {
			d.problems.Add("extended partition", "its chain of tables is longer than %d, or a loop", maxLogical)
			return nil
		}
		if at < 1 || (at+1)*SectorSize > d.out.Size {
			d.problems.Add("extended partition", "a table of it is at sector %d, which the disk does not have", at)
			return nil
		}
		b, err := d.bytes(at*SectorSize, SectorSize)
		if err != nil {
			return err
		}
		if le.Uint16(b[510:]) != mbrMagic {
			d.problems.Add("extended partition", "there is no table at sector %d", at)
			return nil
		}
		d.place(at*SectorSize, SectorSize)
		if e := parseMBR(b[mbrEntries:]); e.code != 0 && e.count != 0 {
			d.addMBR(n, e, at, true)
		}
		next := parseMBR(b[mbrEntries+mbrRecordSize:])
		if next.code == 0 || next.count == 0 {
			return nil
		}
		at = ext.start + next.start
	}
}
