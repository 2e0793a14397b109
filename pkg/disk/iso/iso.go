// SPDX-License-Identifier: MPL-2.0

// Package iso makes the ISO 9660 volume with El Torito boot entries that is in the
// free bytes between a GPT and its first partition, so that the same file is both a
// disk and a disc; it also reads and checks such volumes. The volume has a root
// directory and no other, and none of the extensions for longer names: the system
// is in the partitions.
package iso

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Region is a run of bytes of the disk.
type Region struct{ Off, Len int64 }

// Options are the parameters of the volume.
type Options struct {
	Size  int64  // bytes of the whole file
	Limit int64  // the volume has to end before this byte of the file
	ID    string // of the volume, see VolumeID
	Time  int64  // seconds since 1970
	EFI   Region // the EFI system partition; Len 0 for none
	BIOS  []byte // GRUB's cdboot.img followed by core.img; nil for none
}

// VolumeID makes a volume's name: d-characters, at most 32 (ECMA-119, 7.4.1). It
// differs from all names in taken, since otherwise a search for a file system with
// that label would find the disc.
func VolumeID(name string, taken ...string) string {
	id := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
	if id == "" {
		id = "ISO"
	}
	id = id[:min(len(id), 32)]
	base := id[:min(len(id), 28)]
	for n := 2; slices.ContainsFunc(taken, func(s string) bool { return strings.EqualFold(s, id) }); n++ {
		id = fmt.Sprintf("%s_%d", base, n)
	}
	return id
}

// Volume is what to write into the file at Start. It is shorter than Limit-Start.
func Volume(o Options) ([]byte, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("ISO 9660 volume: %w", err)
	}
	b := make([]byte, int64(imageSector)*Sector-Start+int64(len(o.BIOS)+Sector-1)/Sector*Sector)
	at := func(sector int) []byte { return b[sector*Sector-Start:][:Sector] }
	when := time.Unix(o.Time, 0)
	o.primary(descriptor(at(primarySector), typePrimary), when)
	boot := descriptor(at(bootRecordSector), typeBoot)
	copy(boot[bootSystemAt:], bootSystem)
	le.PutUint32(boot[catalogueAt:], catalogueSector)
	descriptor(at(terminatorSector), typeTerminator)
	o.catalogue(at(catalogueSector))
	pathTables(at(pathTableL), at(pathTableM))
	o.root(at(rootSector), when)
	if len(o.BIOS) > 0 {
		image := b[imageSector*Sector-Start:]
		copy(image, o.BIOS)
		bootInfo(image, len(o.BIOS))
	}
	return b, nil
}

func (o Options) check() error {
	end := int64(imageSector)*Sector + int64(len(o.BIOS))
	switch y := time.Unix(o.Time, 0).UTC().Year(); {
	case o.EFI.Len == 0 && len(o.BIOS) == 0:
		return fmt.Errorf("nothing to boot")
	case o.Size%Sector != 0 || o.Size/Sector > math.MaxUint32:
		return fmt.Errorf("a disk of %d bytes is not a multiple of %d, or too large", o.Size, Sector)
	case o.EFI.Off%Sector != 0:
		return fmt.Errorf("the EFI system partition starts at byte %d, which is not a multiple of %d", o.EFI.Off, Sector)
	case len(o.BIOS) > 0 && len(o.BIOS) < Sector:
		return fmt.Errorf("the image for a BIOS has %d bytes only", len(o.BIOS))
	case end > o.Limit:
		return fmt.Errorf("it needs the bytes %d to %d, and only those before %d are free", Start, end-1, o.Limit)
	case y < 1900 || y > 2155:
		return fmt.Errorf("it has no date in the year %d", y)
	}
	return nil
}

// primary fills in the primary volume descriptor (ECMA-119, 8.4).
func (o Options) primary(b []byte, t time.Time) {
	pad(b[8:40], "")
	pad(b[40:72], o.ID)
	both32(b[80:], uint32(o.Size/Sector))
	both16(b[120:], 1)
	both16(b[124:], 1)
	both16(b[128:], Sector)
	both32(b[132:], pathTableSize)
	le.PutUint32(b[140:], pathTableL)
	be.PutUint32(b[148:], pathTableM)
	copy(b[156:], record("\x00", rootSector, Sector, directory, t))
	pad(b[190:574], "")
	pad(b[574:702], "CAROSBUILD")
	pad(b[702:813], "")
	volumeTime(b[813:], t)
	volumeTime(b[830:], t)
	volumeTime(b[847:], time.Time{})
	volumeTime(b[864:], time.Time{})
	b[881] = 1
}

const pathTableSize = 10

// pathTables has the root only, in both byte orders (ECMA-119, 9.4).
func pathTables(l, m []byte) {
	l[0], m[0] = 1, 1
	le.PutUint32(l[2:], rootSector)
	be.PutUint32(m[2:], rootSector)
	le.PutUint16(l[6:], 1)
	be.PutUint16(m[6:], 1)
}

// root is the root directory, with the boot parts as files, by name.
func (o Options) root(b []byte, t time.Time) {
	records := [][]byte{record("\x00", rootSector, Sector, directory, t), record("\x01", rootSector, Sector, directory, t)}
	if len(o.BIOS) > 0 {
		records = append(records, record("BIOS.IMG;1", imageSector, uint32(len(o.BIOS)), 0, t))
	}
	records = append(records, record("BOOT.CAT;1", catalogueSector, Sector, 0, t))
	if o.EFI.Len > 0 && o.EFI.Len <= math.MaxUint32 {
		records = append(records, record("EFI.IMG;1", uint32(o.EFI.Off/Sector), uint32(o.EFI.Len), 0, t))
	}
	for _, r := range records {
		b = b[copy(b, r):]
	}
}

// catalogue is the boot catalogue. The first entry is the default; an entry for
// UEFI after one for a BIOS is in its own section.
func (o Options) catalogue(b []byte) {
	b[0], b[30], b[31] = 1, 0x55, 0xAA
	copy(b[4:28], "carosbuild")
	efi := entry(uint32(o.EFI.Off/Sector), efiSectors)
	switch {
	case len(o.BIOS) == 0:
		b[1] = platformEFI
		copy(b[entrySize:], efi)
	default:
		copy(b[entrySize:], entry(imageSector, loadSectors))
		if o.EFI.Len > 0 {
			b[2*entrySize], b[2*entrySize+1] = sectionFinal, platformEFI
			le.PutUint16(b[2*entrySize+2:], 1)
			copy(b[3*entrySize:], efi)
		}
	}
	le.PutUint16(b[28:], -sum16(b[:entrySize]))
}

// entry is a boot entry without emulation.
func entry(sector uint32, count uint16) []byte {
	b := make([]byte, entrySize)
	b[0] = bootable
	le.PutUint16(b[6:], count)
	le.PutUint32(b[8:], sector)
	return b
}

// sum16 is the sum of little-endian words, which is 0 for a validation entry.
func sum16(b []byte) uint16 {
	var sum uint16
	for ; len(b) > 1; b = b[2:] {
		sum += le.Uint16(b)
	}
	return sum
}

// bootInfo writes the place of the BIOS image, of size bytes, into it. The rest of
// image is zero.
func bootInfo(image []byte, size int) {
	info := image[infoAt:infoEnd]
	clear(info)
	le.PutUint32(info, primarySector)
	le.PutUint32(info[4:], imageSector)
	le.PutUint32(info[8:], uint32(size))
	var sum uint32
	for b := image[infoEnd:]; len(b) > 3; b = b[4:] {
		sum += le.Uint32(b)
	}
	le.PutUint32(info[12:], sum)
}
