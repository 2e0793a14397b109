// SPDX-License-Identifier: MPL-2.0

package vhd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
)

// ErrFormat is wrapped by errors about a file that is not a VHD, is damaged, or is
// of a kind that this package does not support.
var ErrFormat = errors.New("not a readable VHD")

// Reader reads a fixed or dynamic VHD. It is safe for concurrent use. For a hostile
// file, memory use is at most proportional to the file's size. Like QEMU, it reads
// all sectors of an allocated block as they are, whatever the block's bitmap says.
type Reader struct {
	r     io.ReaderAt
	size  int64 // of the file
	f     footer
	disk  int64
	block int64    // size of a block's data, 0 for a fixed disk
	data  int64    // offset of the data in the block
	table []uint32 // sectors
}

// Open reads footer, header and table of a file of size bytes.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	v := &Reader{r: r, size: size}
	b := make([]byte, footerSize)
	err := v.read(b, size-footerSize)
	if err == nil {
		v.f, err = parseFooter(b)
	}
	if err != nil { // a dynamic disk has a copy at the front
		if rerr := v.read(b, 0); rerr != nil {
			return nil, rerr
		}
		if v.f, err = parseFooter(b); err != nil {
			return nil, err
		}
		if v.f.kind != kindDynamic {
			return nil, fmt.Errorf("%w: the file was cut", ErrFormat)
		}
	}
	if v.disk, err = v.f.diskSize(); err != nil {
		return nil, err
	}
	switch v.f.kind {
	case kindFixed:
		if v.disk > size-footerSize {
			return nil, fmt.Errorf("%w: a fixed disk of %d bytes in a file of %d", ErrFormat, v.disk, size)
		}
		return v, nil
	case kindDynamic:
		return v, v.dynamic()
	case kindChild:
		return nil, fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("it is a differencing disk, which needs its parent"))
	}
	return nil, fmt.Errorf("%w: disk type %d", ErrFormat, v.f.kind)
}

// diskSize depends on the program that made the disk: for Virtual PC, and QEMU
// without force_size, the geometry counts, for all others the size.
func (f footer) diskSize() (int64, error) {
	if f.size == 0 || f.size > MaxSize {
		return 0, fmt.Errorf("%w: disk of %d bytes", ErrFormat, f.size)
	}
	size := int64(f.size)
	if chs := f.geometry.bytes(); (f.creator == [4]byte{'v', 'p', 'c', ' '} || f.creator == [4]byte{'q', 'e', 'm', 'u'}) && chs > 0 && chs < maxGeometry && chs < size {
		size = chs
	}
	return size / sectorSize * sectorSize, nil
}

func (v *Reader) dynamic() error {
	b := make([]byte, headerSize)
	if v.f.dataOffset > uint64(v.size) {
		return fmt.Errorf("%w: dynamic header at %d, and the file has %d bytes", ErrFormat, v.f.dataOffset, v.size)
	}
	if err := v.read(b, int64(v.f.dataOffset)); err != nil {
		return err
	}
	h, err := parseHeader(b)
	if err != nil {
		return err
	}
	if h.blockSize < minBlock || h.blockSize > 1<<28 || bits.OnesCount32(h.blockSize) != 1 {
		return fmt.Errorf("%w: blocks of %d bytes", ErrFormat, h.blockSize)
	}
	v.block = int64(h.blockSize)
	v.data = (v.block/sectorSize/8 + sectorSize - 1) / sectorSize * sectorSize
	n := (v.disk + v.block - 1) / v.block
	if n > int64(h.entries) || h.table > uint64(v.size) || n*4 > v.size-int64(h.table) {
		return fmt.Errorf("%w: a table of %d entries at %d", ErrFormat, h.entries, h.table)
	}
	b = make([]byte, n*4)
	if err := v.read(b, int64(h.table)); err != nil {
		return err
	}
	v.table = make([]uint32, n)
	for i := range v.table {
		v.table[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return nil
}

func (v *Reader) read(b []byte, at int64) error {
	if at < 0 || at > v.size-int64(len(b)) {
		return fmt.Errorf("%w: %d bytes at %d, and the file has %d", ErrFormat, len(b), at, v.size)
	}
	if n, err := v.r.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("read VHD: %w", err)
	}
	return nil
}

// Size is the size of the disk in bytes.
func (v *Reader) Size() int64 { return v.disk }

// Dynamic reports whether holes take no room.
func (v *Reader) Dynamic() bool { return v.block > 0 }

// ReadAt implements io.ReaderAt.
func (v *Reader) ReadAt(p []byte, off int64) (int, error) {
	if !v.Dynamic() {
		return io.NewSectionReader(v.r, 0, v.disk).ReadAt(p, off)
	}
	return image.ReadBlocks(p, off, v.disk, v.block, func(p []byte, off int64) error {
		s := v.table[off/v.block]
		if s == unused {
			clear(p)
			return nil
		}
		return v.read(p, int64(s)*sectorSize+v.data+off%v.block)
	})
}

// Covered reports whether a block in the range is stored.
func (v *Reader) Covered(off, n int64) bool { return v.NextExtent(off) < off+n }

// NextExtent is the offset of the first byte at or after off whose block is
// stored, or Size.
func (v *Reader) NextExtent(off int64) int64 {
	if !v.Dynamic() {
		return min(max(off, 0), v.disk)
	}
	for b := max(off, 0) / v.block; b < int64(len(v.table)); b++ {
		if v.table[b] != unused {
			return max(off, b*v.block)
		}
	}
	return v.disk
}
