// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Sizes of the on-disk format, after VMware's "Virtual Disk Format 5.0". A grain is
// the unit of allocation; a grain table lists 512 of them and a grain directory
// lists the tables.
const (
	sectorSize   = 512
	grainSectors = 128
	grainSize    = grainSectors * sectorSize
	tableEntries = 512
	tableSectors = tableEntries * 4 / sectorSize
	tableSpan    = tableEntries * grainSize // bytes of the disk that one table covers: 32 MiB

	magic          = 0x564D444B // "KDMV" in the file
	versionSparse  = 1
	versionStream  = 3
	flagNewline    = 1 << 0
	flagRedundant  = 1 << 1
	flagCompressed = 1 << 16
	flagMarkers    = 1 << 17
	compressNone   = 0
	compressZlib   = 1
	gdAtEnd        = ^uint64(0)

	descriptorStart   = 1
	descriptorSectors = 20
	streamOverhead    = 128

	maxSectors = 1 << 32 // grain tables hold 32-bit sector numbers
)

// Markers of a streamOptimized file: {value u64, size u32, type u32}, where size 0
// distinguishes it from a grain.
const (
	markerEnd       = 0
	markerTable     = 1
	markerDirectory = 2
	markerFooter    = 3
	grainHeader     = 12 // {LBA u64, size u32}, followed directly by the stream
)

// header is the sparse extent header; all numbers count sectors.
type header struct {
	version, flags       uint32
	capacity, grain      uint64
	descStart, descSize  uint64
	tableEntries         uint32
	redundant, directory uint64
	overhead             uint64
	unclean              byte
	newlines             [4]byte
	compression          uint16
}

func newHeader(version, flags uint32, capacity int64) header {
	return header{
		version: version, flags: flags, capacity: uint64(capacity), grain: grainSectors,
		descStart: descriptorStart, descSize: descriptorSectors, tableEntries: tableEntries,
		newlines: [4]byte{'\n', ' ', '\r', '\n'},
	}
}

// sector is the header in its on-disk form.
func (h header) sector() []byte {
	le := binary.LittleEndian
	b := make([]byte, sectorSize)
	le.PutUint32(b[0:], magic)
	le.PutUint32(b[4:], h.version)
	le.PutUint32(b[8:], h.flags)
	le.PutUint64(b[12:], h.capacity)
	le.PutUint64(b[20:], h.grain)
	le.PutUint64(b[28:], h.descStart)
	le.PutUint64(b[36:], h.descSize)
	le.PutUint32(b[44:], h.tableEntries)
	le.PutUint64(b[48:], h.redundant)
	le.PutUint64(b[56:], h.directory)
	le.PutUint64(b[64:], h.overhead)
	b[72] = h.unclean
	copy(b[73:77], h.newlines[:])
	le.PutUint16(b[77:], h.compression)
	return b
}

// parseHeader reads the on-disk form.
func parseHeader(b []byte) (header, error) {
	le := binary.LittleEndian
	if len(b) < sectorSize || le.Uint32(b) != magic {
		return header{}, fmt.Errorf("%w: no KDMV header", ErrFormat)
	}
	return header{
		version: le.Uint32(b[4:]), flags: le.Uint32(b[8:]),
		capacity: le.Uint64(b[12:]), grain: le.Uint64(b[20:]),
		descStart: le.Uint64(b[28:]), descSize: le.Uint64(b[36:]),
		tableEntries: le.Uint32(b[44:]),
		redundant:    le.Uint64(b[48:]), directory: le.Uint64(b[56:]),
		overhead: le.Uint64(b[64:]), unclean: b[72],
		newlines: [4]byte(b[73:77]), compression: le.Uint16(b[77:]),
	}, nil
}

// marker is the sector before a table, the directory or the footer, which has n
// sectors.
func marker(kind uint32, n int64) []byte {
	b := make([]byte, sectorSize)
	binary.LittleEndian.PutUint64(b, uint64(n))
	binary.LittleEndian.PutUint32(b[12:], kind)
	return b
}

// descriptor is the text part of a sparse file, padded with NUL.
func descriptor(createType string, capacity int64, o Options) ([]byte, error) {
	text, err := descriptorText(createType, fmt.Sprintf("RW %d SPARSE \"%s\"", capacity, o.Name), capacity, o)
	if err != nil {
		return nil, err
	}
	out := make([]byte, descriptorSectors*sectorSize)
	copy(out, text)
	return out, nil
}

// descriptorText has a sorted database, as VMware writes it. lsilogic stands for
// every controller except IDE: the format knows no newer ones, and an import uses
// that of the virtual machine.
func descriptorText(createType, extent string, capacity int64, o Options) (string, error) {
	if strings.ContainsAny(o.Name, "\"\n\r\x00/") || len(o.Name) > 1024 {
		return "", fmt.Errorf("file name %q cannot stand in a VMDK descriptor", o.Name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=%08x\nparentCID=ffffffff\ncreateType=\"%s\"\n\n", o.CID, createType)
	fmt.Fprintf(&b, "# Extent description\n%s\n\n", extent)
	b.WriteString("# The Disk Data Base\n#DDB\n\n")
	for _, kv := range [][2]string{
		{"adapterType", "lsilogic"},
		{"geometry.cylinders", fmt.Sprint(min(max(capacity/(255*63), 1), 65535))},
		{"geometry.heads", "255"},
		{"geometry.sectors", "63"},
		{"longContentID", fmt.Sprintf("%x", o.LongContentID)},
		{"toolsInstallType", "4"}, // the system has its own, such as open-vm-tools
		{"toolsVersion", "2147483647"},
		{"uuid", uuidText(o.UUID)},
		{"virtualHWVersion", "4"},
	} {
		fmt.Fprintf(&b, "ddb.%s = \"%s\"\n", kv[0], kv[1])
	}
	return b.String(), nil
}

// uuidText is VMware's form: sixteen pairs of digits, with a dash in the middle. It
// begins with VMware's company number, since it is also the disk's NAA name.
func uuidText(u [16]byte) string {
	return fmt.Sprintf("60 00 C2 9%x % x-% x", u[3]&0xF, u[4:8], u[8:])
}

// shape is the part of the layout that depends on the disk's size.
type shape struct {
	capacity int64 // sectors
	tables   int64 // grain tables
}

func newShape(size int64) (shape, error) {
	if size <= 0 || size > 1<<46 {
		return shape{}, fmt.Errorf("disk of %d bytes: a VMDK holds 1 byte to 64 TiB", size)
	}
	return shape{capacity: (size + sectorSize - 1) / sectorSize, tables: (size + tableSpan - 1) / tableSpan}, nil
}

// directorySectors is the length of the grain directory.
func (s shape) directorySectors() int64 { return (s.tables*4 + sectorSize - 1) / sectorSize }
