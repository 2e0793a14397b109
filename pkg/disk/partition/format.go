// SPDX-License-Identifier: MPL-2.0

package partition

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf16"
)

// What the reader needs of the formats: the MBR of PC DOS, and GPT after the UEFI
// specification 2.10, section 5.3. Integers are little endian.

var le = binary.LittleEndian

const (
	mbrEntries    = 446
	mbrRecordSize = 16
	mbrMagic      = 0xAA55

	gptMagic     = "EFI PART"
	gptHeader    = 92 // bytes in revision 1.0
	gptEntrySize = 128
	maxArray     = 1 << 20 // maximum bytes of an array that is read; the usual one has 16 KiB
	maxLogical   = 128     // maximum number of logical partitions that are read

	typeProtective = 0xEE
)

// mbrRecord is one of the four entries of a boot sector.
type mbrRecord struct {
	status, code byte
	start, count int64 // sectors
}

func parseMBR(b []byte) mbrRecord {
	return mbrRecord{status: b[0], code: b[4], start: int64(le.Uint32(b[8:])), count: int64(le.Uint32(b[12:]))}
}

func (e mbrRecord) extended() bool { return e.code == 0x05 || e.code == 0x0F || e.code == 0x85 }

// header is one of the two headers of a GPT; numbers count sectors.
type header struct {
	revision, size, sum       uint32
	self, other, first, last  uint64
	guid                      string
	array                     uint64
	entries, entrySize, check uint32
}

func parseHeader(b []byte) header {
	return header{
		revision: le.Uint32(b[8:]), size: le.Uint32(b[12:]), sum: le.Uint32(b[16:]),
		self: le.Uint64(b[24:]), other: le.Uint64(b[32:]), first: le.Uint64(b[40:]), last: le.Uint64(b[48:]),
		guid: formatGUID(b[56:72]), array: le.Uint64(b[72:]),
		entries: le.Uint32(b[80:]), entrySize: le.Uint32(b[84:]), check: le.Uint32(b[88:]),
	}
}

// formatGUID is the text of a GUID, whose first three fields are little endian.
func formatGUID(b []byte) string {
	return strings.ToUpper(fmt.Sprintf("%08x-%04x-%04x-%x-%x", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), b[8:10], b[10:16]))
}

// parseName is the name of an entry: UTF-16, terminated by NUL.
func parseName(b []byte) string {
	var u []uint16
	for ; len(b) >= 2; b = b[2:] {
		c := le.Uint16(b)
		if c == 0 {
			break
		}
		u = append(u, c)
	}
	return string(utf16.Decode(u))
}
