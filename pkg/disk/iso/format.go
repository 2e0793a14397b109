// SPDX-License-Identifier: MPL-2.0

package iso

import (
	"encoding/binary"
	"time"
)

// Sector is the size of a logical sector and block in bytes (ECMA-119, 6.1.2).
const Sector = 2048

// Start is the offset of the volume descriptors, in bytes: the system area before
// them is for other uses, here the GPT (ECMA-119, 6.2.1).
const Start = 16 * Sector

// The sectors of a volume that this package writes. El Torito 1.0, 2.0 fixes that
// of the boot record.
const (
	primarySector    = 16
	bootRecordSector = 17
	terminatorSector = 18
	catalogueSector  = 19
	pathTableL       = 20
	pathTableM       = 21
	rootSector       = 22
	imageSector      = 23 // the boot image for a BIOS
)

// Types of volume descriptors (ECMA-119, 8.1.1).
const (
	typeBoot       = 0
	typePrimary    = 1
	typeTerminator = 255
)

// The boot record (El Torito 1.0, figure 7).
const (
	bootSystem   = "EL TORITO SPECIFICATION"
	catalogueAt  = 0x47 // of the descriptor: the catalogue's sector
	bootSystemAt = 7
)

// The boot catalogue (El Torito 1.0, figures 2 to 5), entries of 32 bytes.
const (
	entrySize    = 32
	bootable     = 0x88
	sectionFinal = 0x91
	sectionMore  = 0x90
	platformBIOS = 0
	platformEFI  = 0xEF // UEFI 2.10, 13.3.2.1
	loadSectors  = 4    // in units of 512 bytes: cdboot.img, which loads the rest
	// A count of 0 or 1 means up to the end of the disc (UEFI 2.10, 13.3.2.1): the
	// count has 16 bits, and 32 MiB are not enough for many.
	efiSectors = 1
)

// The table in a BIOS image that has its place on the disc (mkisofs's
// -boot-info-table, which GRUB's cdboot.img reads): at 8, four words of 32 bits,
// the last of them the sum of the image's words from 64 on.
const (
	infoAt  = 8
	infoEnd = 64
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// both16 writes a number in both byte orders (ECMA-119, 7.2.3), both32 likewise
// (7.3.3).
func both16(b []byte, n uint16) {
	le.PutUint16(b, n)
	be.PutUint16(b[2:], n)
}

func both32(b []byte, n uint32) {
	le.PutUint32(b, n)
	be.PutUint32(b[4:], n)
}

// pad fills a text field, padded with spaces (ECMA-119, 7.4.3.2).
func pad(b []byte, s string) {
	for i := copy(b, s); i < len(b); i++ {
		b[i] = ' '
	}
}

// descriptor is a sector with the header of a volume descriptor (ECMA-119, 8.1).
func descriptor(b []byte, kind byte) []byte {
	b[0], b[6] = kind, 1
	copy(b[1:], "CD001")
	return b
}

// volumeTime is a date of a descriptor, 17 bytes (ECMA-119, 8.4.26.1). The zero
// Time means none.
func volumeTime(b []byte, t time.Time) {
	text := "0000000000000000"
	if !t.IsZero() {
		text = t.UTC().Format("20060102150405") + "00"
	}
	copy(b[:16], text)
	b[16] = 0 // quarters of an hour from UTC
}

// record is a directory record (ECMA-119, 9.1): the place of size bytes.
func record(name string, sector, size uint32, flags byte, t time.Time) []byte {
	b := make([]byte, (33+len(name)+1)&^1)
	b[0] = byte(len(b))
	both32(b[2:], sector)
	both32(b[10:], size)
	t = t.UTC()
	copy(b[18:], []byte{byte(t.Year() - 1900), byte(t.Month()), byte(t.Day()), byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0})
	b[25] = flags
	both16(b[28:], 1) // number of the volume in its set
	b[32] = byte(len(name))
	copy(b[33:], name)
	return b
}

const directory = 2 // flag of a record (ECMA-119, 9.1.6)
