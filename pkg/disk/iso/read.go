// SPDX-License-Identifier: MPL-2.0

package iso

import (
	"fmt"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// Found is a volume that was read.
type Found struct {
	ID      string // of the volume
	Size    int64  // bytes
	Entries []Entry
	// Problems are the mistakes that Read has found.
	Problems []damage.Problem
}

// Entry is a boot entry of El Torito.
type Entry struct {
	Platform byte  // 0 for a BIOS, 0xEF for UEFI
	Off, Len int64 // of the loaded data, in bytes; Len 0 is up to the end
}

// Name is the name of the platform.
func (e Entry) Name() string {
	switch e.Platform {
	case platformBIOS:
		return "bios"
	case platformEFI:
		return "efi"
	}
	return fmt.Sprintf("platform %#02x", e.Platform)
}

// Detect reports whether there is a primary volume descriptor.
func Detect(r io.ReaderAt) bool {
	b := make([]byte, 6)
	n, _ := r.ReadAt(b, Start)
	return n == len(b) && string(b) == "\x01CD001"
}

// Read reads the descriptors, the boot catalogue and the directories of the volume
// on a disk of size bytes, and checks them. Without a volume, it returns nil.
func Read(r io.ReaderAt, size int64) *Found {
	if !Detect(r) {
		return nil
	}
	var l damage.List
	f := &Found{}
	b := make([]byte, Sector)
	catalogue := int64(-1)
	var tree []damage.Problem
	for sector := int64(primarySector); ; sector++ {
		if err := readFull(r, b, sector*Sector); err != nil {
			l.Add("ISO 9660", "its descriptor in sector %d: %v", sector, err)
			break
		}
		if string(b[1:6]) != "CD001" || sector > primarySector+maxDescriptors {
			l.Add("ISO 9660", "its descriptors have no end: sector %d is none", sector)
			break
		}
		switch {
		case sector == primarySector:
			if f.primary(b, size, &l); f.Size <= size {
				tree = checkTree(r, b, f.Size)
			}
		case b[0] == typeBoot && strings.TrimRight(string(b[bootSystemAt:39]), "\x00") == bootSystem:
			catalogue = int64(le.Uint32(b[catalogueAt:]))
		}
		if b[0] == typeTerminator {
			break
		}
	}
	if catalogue >= 0 {
		if err := readFull(r, b, catalogue*Sector); err != nil {
			l.Add("El Torito", "its boot catalogue in sector %d: %v", catalogue, err)
		} else {
			f.catalogue(b, size, &l)
		}
	}
	f.Problems = append(l.Problems(), tree...)
	return f
}

// maxDescriptors is more than any volume has.
const maxDescriptors = 64

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (f *Found) primary(b []byte, size int64, l *damage.List) {
	f.ID = strings.TrimRight(string(b[40:72]), " \x00")
	f.Size = int64(le.Uint32(b[80:])) * Sector
	switch {
	case le.Uint32(b[80:]) != be.Uint32(b[84:]) || le.Uint16(b[128:]) != be.Uint16(b[130:]):
		l.Add("ISO 9660", "its size is not the same in both byte orders")
	case le.Uint16(b[128:]) != Sector:
		l.Add("ISO 9660", "its blocks have %d bytes, not %d", le.Uint16(b[128:]), Sector)
	case f.Size > size:
		l.Add("ISO 9660", "it has %d bytes, and the disk %d", f.Size, size)
	}
}

// catalogue reads the entries, all in one sector.
func (f *Found) catalogue(b []byte, size int64, l *damage.List) {
	if b[0] != 1 || b[30] != 0x55 || b[31] != 0xAA || sum16(b[:entrySize]) != 0 {
		l.Add("El Torito", "the first entry of its boot catalogue is not valid")
		return
	}
	f.entry(b[entrySize:], b[1], size, l)
	for b = b[2*entrySize:]; len(b) >= entrySize && (b[0] == sectionMore || b[0] == sectionFinal); {
		platform, n, last := b[1], le.Uint16(b[2:]), b[0] == sectionFinal
		for b = b[entrySize:]; n > 0 && len(b) >= entrySize; n-- {
			f.entry(b, platform, size, l)
			b = b[entrySize:]
		}
		if last {
			return
		}
	}
}

func (f *Found) entry(b []byte, platform byte, size int64, l *damage.List) {
	if b[0] != bootable {
		return
	}
	e := Entry{Platform: platform, Off: int64(le.Uint32(b[8:])) * Sector, Len: int64(le.Uint16(b[6:])) * 512}
	if platform == platformEFI && e.Len <= efiSectors*512 {
		e.Len = 0
	}
	if e.Off == 0 || e.Off >= size || e.Len > size-e.Off {
		l.Add("El Torito", "the boot entry for %s, %d bytes at %d, is not on the disk", e.Name(), e.Len, e.Off)
	}
	f.Entries = append(f.Entries, e)
}
