// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"encoding/binary"
	"fmt"
	"time"
)

var le = binary.LittleEndian

// Sizes and numbers of the on-disk format, after Microsoft's FAT32 File System
// Specification 1.03 ("fatgen103") and the output of mkfs.fat 4.2.
const (
	sectorSize      = 512
	reservedSectors = 32
	infoSector      = 1
	backupSector    = 6
	fatCount        = 2
	rootCluster     = 2
	mediaFixed      = 0xF8
	minClusters     = 65525
	minClusters16   = 4087  // fewer may be taken for FAT12
	maxClusters16   = 65524 // more may be taken for FAT32
	rootSectors16   = 32    // 512 entries, more where a cluster is larger
	endOfChain      = 0x0FFFFFFF
	dirEntrySize    = 32
	maxDirEntries   = 65536
	maxFile         = 1<<32 - 1

	attrLabel   = 0x08
	attrDir     = 0x10
	attrArchive = 0x20
	attrLong    = 0x0F

	lowerBase = 0x08 // byte 12 of a short entry
	lowerExt  = 0x10

	longChars = 13 // UTF-16 units of one long-name entry
	longLast  = 0x40
)

// clusterClasses are the cluster sizes of mkfs.fat -F 32: from and below
// bound the file system's size in bytes.
var clusterClasses = []struct{ from, below, sectors int64 }{
	{0, 260 << 20, 1},
	{260 << 20, 8 << 30, 8},
	{8 << 30, 16 << 30, 16},
	{16 << 30, 32 << 30, 32},
	{32 << 30, 2 << 40, 64},
}

// geometry has the places of the parts of a file system, in sectors.
type geometry struct {
	bits        int   // 16 or 32
	sectors     int64 // in total
	perCluster  int64
	reserved    int64 // before the FATs
	fatSectors  int64 // of one FAT
	rootSectors int64 // of FAT16's root directory, between FATs and clusters
	clusters    int64 // data clusters; numbers run from 2
}

func newGeometry(size int64, bits int) (geometry, error) {
	switch bits {
	case 0, 32:
		return newGeometry32(size)
	case 16:
		return newGeometry16(size)
	}
	return geometry{}, fmt.Errorf("FAT%d: there are FAT16 and FAT32", bits)
}

func newGeometry32(size int64) (geometry, error) {
	if size >= 2<<40 {
		return geometry{}, ErrTooBig
	}
	g := geometry{bits: 32, sectors: size / sectorSize, reserved: reservedSectors}
	for _, c := range clusterClasses {
		if size < c.below {
			g.perCluster = c.sectors
			break
		}
	}
	// mkfs.fat's arithmetic: size the FATs as if every cluster included its own
	// entries, then use the rest for data.
	data := g.sectors - reservedSectors
	n := (data*sectorSize + fatCount*8) / (g.perCluster*sectorSize + fatCount*g.entry())
	g.fatSectors = ((n+2)*g.entry() + sectorSize - 1) / sectorSize
	g.clusters = min((data-fatCount*g.fatSectors)/g.perCluster, g.fatSectors*sectorSize/g.entry()-2)
	if g.clusters < minClusters {
		return geometry{}, &TooSmallError{Size: size, Min: sizeFor(minClusters, 1), Bits: 32}
	}
	return g, nil
}

// newGeometry16 takes the smallest cluster size that does not give too many
// clusters. mkfs.fat begins with 4 sectors and so refuses less than some 8 MiB.
func newGeometry16(size int64) (geometry, error) {
	for per := int64(1); per <= 128; per *= 2 {
		g := fill16(size/sectorSize, per)
		if g.clusters < minClusters16 {
			return geometry{}, &TooSmallError{Size: size, Min: min16, Bits: 16}
		}
		if g.clusters <= maxClusters16 && (per >= 4 || fill16(size/sectorSize, 4).clusters < minClusters16) {
			return g, nil
		}
	}
	return geometry{}, ErrTooBig16
}

// min16 is the size in bytes, rounded up to 1 MiB, of the smallest FAT16.
const min16 = 3 << 20

// fill16 divides sectors as mkfs.fat does: every part is aligned to clusters.
func fill16(sectors, per int64) geometry {
	g := geometry{
		bits: 16, sectors: sectors, perCluster: per,
		reserved: per, rootSectors: max(rootSectors16, per),
	}
	data := sectors - g.reserved - g.rootSectors
	n := (data*sectorSize + fatCount*g.entry()) / (per*sectorSize + fatCount*g.entry())
	g.fatSectors = ((n+2)*g.entry() + sectorSize - 1) / sectorSize
	g.fatSectors = (g.fatSectors + per - 1) / per * per
	g.clusters = max(min((data-fatCount*g.fatSectors)/per, g.fatSectors*sectorSize/g.entry()-2), 0)
	return g
}

// entry is the size of a FAT's entry in bytes.
func (g geometry) entry() int64 { return int64(g.bits) / 8 }

// sizeFor is a size of FAT32 in bytes, rounded up to 1 MiB, with at least n
// clusters.
func sizeFor(n, perCluster int64) int64 {
	fat := ((n+2)*4+sectorSize-1)/sectorSize + 1 // mkfs.fat's rounding may cost one more
	size := (reservedSectors + fatCount*fat + n*perCluster) * sectorSize
	return (size + 1<<20 - 1) >> 20 << 20
}

func (g geometry) clusterBytes() int64 { return g.perCluster * sectorSize }

// fatOffset is the offset of FAT i, in bytes.
func (g geometry) fatOffset(i int64) int64 {
	return (g.reserved + i*g.fatSectors) * sectorSize
}

// offset is the offset of cluster n, in bytes; 0 is FAT16's root directory.
func (g geometry) offset(n int64) int64 {
	at := g.fatOffset(fatCount)
	if n == 0 {
		return at
	}
	return at + g.rootSectors*sectorSize + (n-2)*g.clusterBytes()
}

// bootSector is sector 0 and, with FAT32, its backup.
func (g geometry) bootSector(label []byte, serial, hidden uint32) []byte {
	b := make([]byte, sectorSize)
	copy(b[3:], "CAROS   ")
	le.PutUint16(b[11:], sectorSize)
	b[13] = byte(g.perCluster)
	le.PutUint16(b[14:], uint16(g.reserved))
	b[16] = fatCount
	b[21] = mediaFixed
	le.PutUint16(b[24:], 63)  // sectors per track
	le.PutUint16(b[26:], 255) // heads
	le.PutUint32(b[28:], hidden)
	rest := b[64:]
	if g.bits == 16 {
		rest = b[36:]
		le.PutUint16(b[17:], uint16(g.rootSectors*sectorSize/dirEntrySize))
		le.PutUint16(b[22:], uint16(g.fatSectors))
	} else {
		le.PutUint32(b[36:], uint32(g.fatSectors))
		le.PutUint32(b[44:], rootCluster)
		le.PutUint16(b[48:], infoSector)
		le.PutUint16(b[50:], backupSector)
	}
	if g.bits == 16 && g.sectors < 1<<16 {
		le.PutUint16(b[19:], uint16(g.sectors))
	} else {
		le.PutUint32(b[32:], uint32(g.sectors))
	}
	copy(b, []byte{0xEB, byte(sectorSize - len(rest) + 24), 0x90}) // jump to the code
	rest[0] = 0x80                                                 // BIOS drive
	rest[2] = 0x29                                                 // serial, label and type follow
	le.PutUint32(rest[3:], serial)
	copy(rest[7:], "NO NAME    ")
	copy(rest[7:], label)
	copy(rest[18:], fmt.Sprintf("FAT%d   ", g.bits))
	copy(rest[26:], "\xCD\x18\xEB\xFE") // int 18h: let the BIOS try the next device
	b[510], b[511] = 0x55, 0xAA
	return b
}

// fsInfo is sector 1 and its backup.
func fsInfo(free, last int64) []byte {
	b := make([]byte, sectorSize)
	le.PutUint32(b, 0x41615252)
	le.PutUint32(b[484:], 0x61417272)
	le.PutUint32(b[488:], uint32(free))
	le.PutUint32(b[492:], uint32(last))
	le.PutUint32(b[508:], 0xAA550000)
	return b
}

// stamp is a time in FAT's form: date, time in units of two seconds, and the
// remaining hundredths.
func stamp(unix int64) (date, clock uint16, hundredths byte) {
	const first, last = 315532800, 4354819199 // 1980-01-01 .. 2107-12-31 23:59:59 UTC
	t := time.Unix(min(max(unix, first), last), 0).UTC()
	date = uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day())
	clock = uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
	return date, clock, byte(t.Second() % 2 * 100)
}

// shortEntry is one 32-byte directory entry.
func shortEntry(name [11]byte, attr, lower byte, cluster, size, mtime int64) []byte {
	b := make([]byte, dirEntrySize)
	copy(b, name[:])
	b[11], b[12] = attr, lower
	date, clock, hundredths := stamp(mtime)
	b[13] = hundredths
	le.PutUint16(b[14:], clock) // created
	le.PutUint16(b[16:], date)
	le.PutUint16(b[18:], date) // accessed
	le.PutUint16(b[20:], uint16(cluster>>16))
	le.PutUint16(b[22:], clock) // written
	le.PutUint16(b[24:], date)
	le.PutUint16(b[26:], uint16(cluster))
	le.PutUint32(b[28:], uint32(size))
	return b
}

// longEntries are the entries before the short one, last part first.
func longEntries(name []uint16, short [11]byte) []byte {
	sum := shortSum(short)
	n := (len(name) + longChars - 1) / longChars
	b := make([]byte, n*dirEntrySize)
	for i := range n {
		e := b[(n-1-i)*dirEntrySize:][:dirEntrySize]
		e[0], e[11], e[13] = byte(i+1), attrLong, sum
		if i == n-1 {
			e[0] |= longLast
		}
		for j := range longChars {
			c, at := uint16(0xFFFF), i*longChars+j
			switch {
			case at < len(name):
				c = name[at]
			case at == len(name):
				c = 0
			}
			le.PutUint16(e[longOffset(j):], c)
		}
	}
	return b
}

// shortSum links a long name to its short one.
func shortSum(short [11]byte) byte {
	var sum byte
	for _, c := range short {
		sum = sum<<7 | sum>>1
		sum += c
	}
	return sum
}

// longOffset is the offset of character j of a long-name entry: there are 5, 6 and
// 2 of them around the fields that old drivers read.
func longOffset(j int) int {
	switch {
	case j < 5:
		return 1 + 2*j
	case j < 11:
		return 14 + 2*(j-5)
	}
	return 28 + 2*(j-11)
}
