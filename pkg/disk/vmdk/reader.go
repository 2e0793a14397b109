// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/klauspost/compress/zlib"
)

// ErrFormat is wrapped by errors about a file that is not a VMDK, is damaged, or is
// of a kind that this package does not read.
var ErrFormat = errors.New("not a readable VMDK")

// Reader reads a sparse VMDK. It is a Source and safe for concurrent use. For a
// hostile file, memory use is at most proportional to the file's size.
type Reader struct {
	r      io.ReaderAt
	size   int64 // of the file
	h      header
	gd     []uint32
	mu     sync.Mutex
	table  []uint32 // grain table with the number no
	no     int64
	grain  []byte // the last grain that was inflated
	gsect  uint32
	filled bool
	z      io.ReadCloser
}

// Open reads header, descriptor and directory of a file of size bytes.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	v := &Reader{r: r, size: size, no: -1, grain: make([]byte, grainSize)}
	b, err := v.sectors(0, 1)
	if err != nil {
		return nil, err
	}
	if v.h, err = parseHeader(b); err != nil {
		return nil, err
	}
	if v.h.directory == gdAtEnd {
		if b, err = v.sectors(size/sectorSize-2, 1); err != nil {
			return nil, err
		}
		if v.h, err = parseHeader(b); err != nil {
			return nil, fmt.Errorf("footer: %w", err)
		}
	}
	if err := v.check(); err != nil {
		return nil, err
	}
	if err := v.alone(); err != nil {
		return nil, err
	}
	s, err := newShape(v.Size())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if b, err = v.sectors(int64(v.h.directory), s.directorySectors()); err != nil {
		return nil, fmt.Errorf("grain directory: %w", err)
	}
	v.gd = make([]uint32, s.tables)
	for i := range v.gd {
		v.gd[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	v.table = make([]uint32, tableEntries)
	return v, nil
}

func (v *Reader) check() error {
	h := v.h
	switch {
	case h.version < 1 || h.version > 3:
		return fmt.Errorf("%w: version %d", ErrFormat, h.version)
	case h.grain != grainSectors || h.tableEntries != tableEntries:
		return fmt.Errorf("%w: grains of %d sectors, tables of %d", ErrFormat, h.grain, h.tableEntries)
	case h.capacity == 0 || h.capacity > 1<<46/sectorSize:
		return fmt.Errorf("%w: capacity of %d sectors", ErrFormat, h.capacity)
	case h.newlines != [4]byte{'\n', ' ', '\r', '\n'}:
		return fmt.Errorf("%w: line ends were converted, as by a transfer in text mode", ErrFormat)
	case h.flags&flagCompressed != 0 && h.compression != compressZlib:
		return fmt.Errorf("%w: compression %d", ErrFormat, h.compression)
	}
	return nil
}

// sectors reads n sectors. It does not allocate more than the file has.
func (v *Reader) sectors(at, n int64) ([]byte, error) {
	if at < 0 || n < 0 || at > v.size/sectorSize || n > v.size/sectorSize-at {
		return nil, fmt.Errorf("%w: %d sectors at sector %d, and the file has %d", ErrFormat, n, at, v.size/sectorSize)
	}
	b := make([]byte, n*sectorSize)
	if k, err := v.r.ReadAt(b, at*sectorSize); k < len(b) {
		return nil, fmt.Errorf("read VMDK: %w", err)
	}
	return b, nil
}

// Size is the capacity of the disk in bytes.
func (v *Reader) Size() int64 { return int64(v.h.capacity) * sectorSize }

// Compressed reports whether grains are compressed, as in streamOptimized.
func (v *Reader) Compressed() bool { return v.h.flags&flagCompressed != 0 }

// Descriptor is the text part.
func (v *Reader) Descriptor() (string, error) {
	if v.h.descSize > 2048 {
		return "", fmt.Errorf("%w: descriptor of %d sectors", ErrFormat, v.h.descSize)
	}
	b, err := v.sectors(int64(min(v.h.descStart, 1<<40)), int64(v.h.descSize))
	s, _, _ := strings.Cut(string(b), "\x00")
	return s, err
}

// alone is an error for the child of another disk. A descriptor that cannot be read
// is reported by Check.
func (v *Reader) alone() error {
	text, err := v.Descriptor()
	if err != nil {
		return nil
	}
	return standsAlone(text)
}

// entry is the sector of a grain, 0 for a hole.
func (v *Reader) entry(grain int64) (uint32, error) {
	no := grain / tableEntries
	if v.gd[no] == 0 {
		return 0, nil
	}
	if no != v.no {
		b, err := v.sectors(int64(v.gd[no]), tableSectors)
		if err != nil {
			return 0, fmt.Errorf("grain table %d: %w", no, err)
		}
		v.no = no
		for i := range v.table {
			v.table[i] = binary.LittleEndian.Uint32(b[4*i:])
		}
	}
	return v.table[grain%tableEntries], nil
}

// load makes v.grain the grain at that sector.
func (v *Reader) load(sector uint32, lba int64) error {
	if v.filled && v.gsect == sector {
		return nil
	}
	v.filled = false
	if !v.Compressed() {
		b, err := v.sectors(int64(sector), grainSectors)
		if err != nil {
			return err
		}
		copy(v.grain, b)
		v.gsect, v.filled = sector, true
		return nil
	}
	head, err := v.sectors(int64(sector), 1)
	if err != nil {
		return err
	}
	n := int64(binary.LittleEndian.Uint32(head[8:]))
	if got := binary.LittleEndian.Uint64(head); got != uint64(lba) || n == 0 || n > 2*grainSize {
		return fmt.Errorf("%w: grain of sector %d has %d bytes and says it is that of sector %d", ErrFormat, lba, n, got)
	}
	b, err := v.sectors(int64(sector), (grainHeader+n+sectorSize-1)/sectorSize)
	if err != nil {
		return err
	}
	if err := v.inflate(b[grainHeader:grainHeader+n], min(grainSize, v.Size()-lba*sectorSize)); err != nil {
		return fmt.Errorf("%w: inflate: %w", ErrFormat, err)
	}
	v.gsect, v.filled = sector, true
	return nil
}

// inflate fills v.grain from a zlib stream that contains exactly one grain, or at
// least the bytes of it that are on the disk: QEMU truncates the last grain.
func (v *Reader) inflate(b []byte, least int64) error {
	in := bytes.NewReader(b)
	var err error
	if v.z == nil {
		v.z, err = zlib.NewReader(in)
	} else {
		err = v.z.(zlib.Resetter).Reset(in, nil)
	}
	if err != nil {
		return err
	}
	n, err := io.ReadFull(v.z, v.grain)
	clear(v.grain[n:])
	if int64(n) == least && err == io.ErrUnexpectedEOF {
		return nil
	}
	if err != nil {
		return err
	}
	if k, err := v.z.Read(make([]byte, 1)); k != 0 { // the end, with its checksum
		return errors.New("more than a grain")
	} else if err != io.EOF {
		return err
	}
	return nil
}

// ReadAt implements io.ReaderAt.
func (v *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for n := 0; ; {
		if n == len(p) {
			return n, nil
		}
		pos := off + int64(n)
		if pos >= v.Size() {
			return n, io.EOF
		}
		grain, in := pos/grainSize, pos%grainSize
		k := min(int64(len(p)-n), grainSize-in, v.Size()-pos)
		sector, err := v.entry(grain)
		if err != nil {
			return n, err
		}
		if sector <= 1 { // 0 is a hole, 1 a grain of zeros
			clear(p[n : n+int(k)])
		} else {
			if err := v.load(sector, grain*grainSectors); err != nil {
				return n, fmt.Errorf("disk at %d: %w", pos, err)
			}
			copy(p[n:], v.grain[in:in+k])
		}
		n += int(k)
	}
}

// Covered reports whether a grain in the range is stored. It is also true if the
// table cannot be read, so that ReadAt returns the error.
func (v *Reader) Covered(off, n int64) bool { return v.NextExtent(off) < off+n }

// NextExtent is the offset of the first byte at or after off whose grain is
// stored, or Size.
func (v *Reader) NextExtent(off int64) int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	for g := max(off, 0) / grainSize; g*grainSize < v.Size(); {
		if v.gd[g/tableEntries] == 0 {
			g = (g/tableEntries + 1) * tableEntries
			continue
		}
		if s, err := v.entry(g); err != nil || s > 1 {
			return max(off, g*grainSize)
		}
		g++
	}
	return v.Size()
}
