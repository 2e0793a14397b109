// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// CheckStream reads a streamOptimized file front to back, as an importer does that
// cannot seek, and returns the capacity in bytes. The error is ErrFormat for
// anything that VMware does not write: a directory at the front, grains out of
// order or without a table that lists them, a footer that differs from the header,
// bytes after the end-of-stream marker. r may have been read beyond the place of
// the error. Memory use is bounded, whatever the file contains.
func CheckStream(ctx context.Context, r io.Reader) (int64, error) {
	c := &streamChecker{r: bufio.NewReaderSize(r, 1<<20), no: -1, lba: -1, empty: map[uint32]bool{}}
	if err := c.begin(); err != nil {
		return 0, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		end, err := c.next()
		if err != nil {
			return 0, fmt.Errorf("sector %d: %w", c.at, err)
		}
		if end {
			return c.v.Size(), nil
		}
	}
}

// maxOverhead bounds the data before the grains: 1 MiB.
const maxOverhead = 2048

// streamChecker is what is known about the part that was read.
type streamChecker struct {
	shape
	r         io.Reader
	v         *Reader // used for its inflate
	at        int64   // sector of the block under inspection
	read      int64   // sectors read
	lba       int64   // sector of the last grain
	no        int64   // number of the table of the grains since the last table, or -1
	table     [tableEntries]uint32
	directory []uint32        // sectors of the grain tables
	empty     map[uint32]bool // sectors of tables without a grain
	gd        int64           // sector of the directory
	footer    bool
}

// sectors reads the next n sectors.
func (c *streamChecker) sectors(n int64) ([]byte, error) {
	c.at = c.read
	b := make([]byte, n*sectorSize)
	_, err := io.ReadFull(c.r, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%w: it ends too early", ErrFormat)
	}
	c.read += n
	return b, err
}

func (c *streamChecker) begin() error {
	b, err := c.sectors(1)
	if err != nil {
		return err
	}
	h, err := parseHeader(b)
	if err != nil {
		return err
	}
	c.v = &Reader{h: h, grain: make([]byte, grainSize)}
	if err := c.v.check(); err != nil {
		return err
	}
	switch {
	case h.version != versionStream || h.flags != flagNewline|flagCompressed|flagMarkers:
		return fmt.Errorf("%w: version %d with flags %#x is not streamOptimized", ErrFormat, h.version, h.flags)
	case h.directory != gdAtEnd:
		return fmt.Errorf("%w: the grain directory is in front, not at the end", ErrFormat)
	case h.descStart < 1 || h.overhead > maxOverhead || h.descStart > h.overhead || h.descSize > h.overhead-h.descStart:
		return fmt.Errorf("%w: descriptor of %d sectors at %d, grains at %d", ErrFormat, h.descSize, h.descStart, h.overhead)
	}
	if c.shape, err = newShape(c.v.Size()); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	c.directory = make([]uint32, c.tables)
	if b, err = c.sectors(int64(h.overhead) - 1); err != nil {
		return err
	}
	from := (h.descStart - 1) * sectorSize
	return c.descriptor(string(b[from : from+h.descSize*sectorSize]))
}

// descriptor checks the parts of the text that an importer reads.
func (c *streamChecker) descriptor(text string) error {
	text, _, _ = strings.Cut(text, "\x00")
	var lines []string
	for l := range strings.Lines(text) {
		lines = append(lines, strings.TrimSpace(l))
	}
	for _, want := range []string{"version=1", "parentCID=ffffffff", `createType="streamOptimized"`} {
		if !hasLine(lines, want) {
			return fmt.Errorf("%w: descriptor without %s", ErrFormat, want)
		}
	}
	extent := fmt.Sprintf(" %d SPARSE ", c.capacity)
	if !hasLine(lines, "RW"+extent) && !hasLine(lines, "RDONLY"+extent) {
		return fmt.Errorf("%w: descriptor without an extent of %d sectors", ErrFormat, c.capacity)
	}
	return nil
}

func hasLine(lines []string, prefix string) bool {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			return true
		}
	}
	return false
}

// next checks one grain or marker with its content.
func (c *streamChecker) next() (end bool, err error) {
	b, err := c.sectors(1)
	if err != nil {
		return false, err
	}
	value, size := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint32(b[8:])
	if size != 0 {
		return false, c.grain(b, value, int64(size))
	}
	kind := binary.LittleEndian.Uint32(b[12:])
	if want := c.announces(kind); want < 0 || value != uint64(want) {
		return false, fmt.Errorf("%w: marker of type %d announces %d sectors", ErrFormat, kind, value)
	}
	if kind == markerEnd {
		return true, c.end()
	}
	if b, err = c.sectors(int64(value)); err != nil {
		return false, err
	}
	switch kind {
	case markerTable:
		return false, c.grainTable(b)
	case markerDirectory:
		return false, c.grainDirectory(b)
	}
	return false, c.checkFooter(b)
}

// announces is the number of sectors that follow a marker, or -1 for an unknown
// marker.
func (c *streamChecker) announces(kind uint32) int64 {
	switch kind {
	case markerEnd:
		return 0
	case markerTable:
		return tableSectors
	case markerDirectory:
		return c.directorySectors()
	case markerFooter:
		return 1
	}
	return -1
}

func (c *streamChecker) grain(first []byte, lba uint64, size int64) error {
	switch {
	case c.gd != 0:
		return fmt.Errorf("%w: a grain after the directory", ErrFormat)
	case lba >= uint64(c.capacity) || lba%grainSectors != 0 || size > 2*grainSize:
		return fmt.Errorf("%w: grain of sector %d with %d bytes", ErrFormat, lba, size)
	case int64(lba) <= c.lba:
		return fmt.Errorf("%w: grain of sector %d after that of %d", ErrFormat, lba, c.lba)
	}
	number, at := int64(lba)/grainSectors, c.at
	if no := number / tableEntries; c.no >= 0 && no != c.no {
		return fmt.Errorf("%w: the table of the grains before is missing", ErrFormat)
	}
	rest, err := c.sectors((grainHeader + size - 1) / sectorSize)
	if err != nil {
		return err
	}
	b := append(first, rest...)
	if err := c.v.inflate(b[grainHeader:grainHeader+size], min(grainSize, c.v.Size()-int64(lba)*sectorSize)); err != nil {
		return fmt.Errorf("%w: inflate: %w", ErrFormat, err)
	}
	c.lba, c.no = int64(lba), number/tableEntries
	c.table[number%tableEntries] = uint32(at)
	return nil
}

func (c *streamChecker) grainTable(b []byte) error {
	for i, want := range c.table {
		if got := binary.LittleEndian.Uint32(b[4*i:]); got != want {
			return fmt.Errorf("%w: entry %d of a grain table is %d, and the grain is at %d", ErrFormat, i, got, want)
		}
	}
	if c.no < 0 {
		c.empty[uint32(c.at)] = true
	} else if c.directory[c.no] != 0 {
		return fmt.Errorf("%w: a second grain table of the same grains", ErrFormat)
	} else {
		c.directory[c.no] = uint32(c.at)
	}
	clear(c.table[:])
	c.no = -1
	return nil
}

func (c *streamChecker) grainDirectory(b []byte) error {
	if c.no >= 0 || c.gd != 0 {
		return fmt.Errorf("%w: a directory before the last table, or a second one", ErrFormat)
	}
	for i, want := range c.directory {
		got := binary.LittleEndian.Uint32(b[4*i:])
		if got != want && (want != 0 || !c.empty[got]) {
			return fmt.Errorf("%w: entry %d of the directory is %d, and the table is at %d", ErrFormat, i, got, want)
		}
	}
	c.gd = c.at
	return nil
}

func (c *streamChecker) checkFooter(b []byte) error {
	want := c.v.h
	want.directory = uint64(c.gd)
	if c.gd == 0 || c.footer || !bytes.Equal(b, want.sector()) {
		return fmt.Errorf("%w: the footer is not the header with the directory's place", ErrFormat)
	}
	c.footer = true
	return nil
}

func (c *streamChecker) end() error {
	if !c.footer {
		return fmt.Errorf("%w: end of stream without a footer", ErrFormat)
	}
	switch n, err := io.ReadFull(c.r, make([]byte, 1)); {
	case n > 0:
		return fmt.Errorf("%w: bytes after the end of the stream", ErrFormat)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}
