// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
)

// gpt reads both copies of a GPT and uses the first that is intact. It reports
// whether there is one, or the remains of one that expected says there should be.
func (d *reader) gpt(expected bool) (bool, error) {
	sector, err := d.gptSector(expected)
	if err != nil || sector == 0 {
		return false, err
	}
	d.out.Kind, d.out.Sector = GPT, sector
	last := d.out.Size/sector - 1
	main, mainArray, err := d.copyOf("GPT", 1)
	if err != nil {
		return false, err
	}
	at := last
	if main != nil && int64(main.other) != last {
		if !d.disc {
			d.problems.Add("GPT", "its second copy is at sector %d, and the disk ends with sector %d", main.other, last)
		}
		at = int64(min(main.other, uint64(last)))
	}
	second, secondArray, err := d.copyOf("second GPT", at)
	if err != nil {
		return false, err
	}
	h, array := main, mainArray
	switch {
	case main == nil && second == nil:
		return true, nil
	case main == nil:
		h, array = second, secondArray
	case second != nil:
		d.compare(main, second, mainArray, secondArray)
	}
	d.out.GUID = h.guid
	d.entries(h, array)
	return true, nil
}

// gptSector is the sector size according to the place of a header: at sector 1, or
// at the disk's end; 0 if there is none.
func (d *reader) gptSector(expected bool) (int64, error) {
	for _, sector := range []int64{512, 4096} {
		for _, off := range []int64{sector, d.out.Size/sector*sector - sector} {
			if off < sector || off+sector > d.out.Size {
				continue
			}
			b, err := d.bytes(off, 8)
			if err != nil {
				return 0, err
			}
			if string(b) == gptMagic {
				return sector, nil
			}
		}
	}
	if expected {
		return SectorSize, nil
	}
	return 0, nil
}

// copyOf reads the header at a sector and its array. Without a usable header both
// are nil; a damaged array is not returned.
func (d *reader) copyOf(where string, at int64) (*header, []byte, error) {
	sector := d.out.Sector
	if at < 1 || (at+1)*sector > d.out.Size {
		d.problems.Add(where, "the disk has no sector %d for it", at)
		return nil, nil, nil
	}
	b, err := d.bytes(at*sector, sector)
	if err != nil {
		return nil, nil, err
	}
	h := parseHeader(b)
	switch {
	case string(b[:8]) != gptMagic:
		d.problems.Add(where, "there is no header at sector %d", at)
		return nil, nil, nil
	case h.size < gptHeader || int64(h.size) > sector:
		d.problems.Add(where, "its header says that it has %d bytes", h.size)
		return nil, nil, nil
	}
	clear(b[16:20])
	if sum := crc32.ChecksumIEEE(b[:h.size]); sum != h.sum {
		d.problems.Add(where, "its header has the checksum %08x, and %08x is written in it", sum, h.sum)
		return nil, nil, nil
	}
	d.place(at*sector, sector)
	d.checkHeader(where, h, at)
	array, err := d.array(where, h)
	if array == nil {
		return nil, nil, err
	}
	return &h, array, nil
}

func (d *reader) checkHeader(where string, h header, at int64) {
	last := uint64(d.out.Size/d.out.Sector - 1)
	switch {
	case h.revision != 1<<16:
		d.problems.Add(where, "revision %d.%d", h.revision>>16, h.revision&0xFFFF)
	case h.self != uint64(at):
		d.problems.Add(where, "it is at sector %d and says %d", at, h.self)
	case h.first > h.last || h.last > last:
		d.problems.Add(where, "partitions may use sectors %d to %d, and the disk has %d", h.first, h.last, last+1)
	}
}

// array reads the entries of a header; they are nil if they cannot be read.
func (d *reader) array(where string, h header) ([]byte, error) {
	n := int64(h.entries) * int64(h.entrySize)
	sectors := uint64(d.out.Size / d.out.Sector)
	switch {
	case h.entrySize < gptEntrySize || n > maxArray || n == 0:
		d.problems.Add(where, "it has %d entries of %d bytes", h.entries, h.entrySize)
		return nil, nil
	case h.array < 2 || h.array >= sectors || n > int64(sectors-h.array)*d.out.Sector:
		d.problems.Add(where, "its entries are at sector %d, and the disk has %d", h.array, sectors)
		return nil, nil
	}
	if end := h.array + uint64((n+d.out.Sector-1)/d.out.Sector); h.array <= h.last && h.first < end {
		d.problems.Add(where, "its entries, sectors %d to %d, are where partitions may be", h.array, end-1)
	}
	b, err := d.bytes(int64(h.array)*d.out.Sector, n)
	if err != nil {
		return nil, err
	}
	d.place(int64(h.array)*d.out.Sector, n)
	if sum := crc32.ChecksumIEEE(b); sum != h.check {
		d.problems.Add(where, "its entries have the checksum %08x, and the header says %08x", sum, h.check)
		return nil, nil
	}
	return b, nil
}

func (d *reader) compare(a, b *header, aArray, bArray []byte) {
	switch {
	case a.guid != b.guid || a.first != b.first || a.last != b.last:
		d.problems.Add("second GPT", "its header differs from the first")
	case b.other != a.self:
		d.problems.Add("second GPT", "it says that the first is at sector %d", b.other)
	case !bytes.Equal(aArray, bArray):
		d.problems.Add("second GPT", "its entries differ from those of the first")
	}
}

// entries reads the entries in use.
func (d *reader) entries(h *header, array []byte) {
	var guids []string
	for i := range int64(h.entries) {
		b := array[i*int64(h.entrySize):][:gptEntrySize]
		if bytes.Equal(b[:16], make([]byte, 16)) {
			continue
		}
		p := d.entry(h, int(i)+1, b)
		if slices.Contains(guids, p.GUID) {
			d.problems.Add(fmt.Sprintf("partition %d", p.Number), "its GUID %s is that of another one, too", p.GUID)
		}
		guids = append(guids, p.GUID)
		d.out.Parts = append(d.out.Parts, p)
	}
}

func (d *reader) entry(h *header, n int, b []byte) Part {
	first, last := le.Uint64(b[32:]), le.Uint64(b[40:])
	p := Part{Number: n, Entry: Entry{Type: formatGUID(b), GUID: formatGUID(b[16:]), Name: parseName(b[56:128]), Attributes: le.Uint64(b[48:])}}
	if first > last || first < h.first && !d.disc || last > h.last || last >= uint64(d.out.Size/d.out.Sector) {
		d.problems.Add(fmt.Sprintf("partition %d", n), "it has sectors %d to %d, and %d to %d may be used", first, last, h.first, h.last)
	}
	if sectors := uint64(d.out.Size / d.out.Sector); first <= last && last < sectors {
		p.Slot = Slot{Start: int64(first) * d.out.Sector, Size: int64(last-first+1) * d.out.Sector}
	}
	return p
}
