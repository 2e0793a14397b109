// SPDX-License-Identifier: MPL-2.0

package vhdx

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

// ErrFormat is wrapped by errors about a file that is not a VHDX, is damaged, or is
// of a kind that this package does not support.
var ErrFormat = errors.New("not a readable VHDX")

// Reader reads a fixed or dynamic VHDX whose log is empty. It is safe for
// concurrent use. For a hostile file, memory use is at most proportional to the
// file's size. Blocks that were unmapped, or whose content is undefined, read as
// zero.
type Reader struct {
	r       io.ReaderAt
	size    int64 // of the file
	h       head
	regions []region
	shape
	table []uint64 // entries up to that of the last payload block
}

// Open reads headers, metadata and table of a file of size bytes.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	v := &Reader{r: r, size: size}
	b := make([]byte, 8)
	if err := v.read(b, identifierAt); err != nil {
		return nil, err
	}
	if string(b) != "vhdxfile" {
		return nil, fmt.Errorf("%w: no vhdxfile identifier", ErrFormat)
	}
	var err error
	if v.h, err = v.current(); err != nil {
		return nil, err
	}
	if v.h.log != (id{}) {
		return nil, fmt.Errorf("%w: it was not closed, and its log has what is not yet in the disk: open it once for writing, in Hyper-V or with qemu-img check -r all", ErrFormat)
	}
	if v.regions, err = v.openRegions(); err != nil {
		return nil, err
	}
	if err := v.openMetadata(); err != nil {
		return nil, err
	}
	return v, v.openTable()
}

func (v *Reader) read(b []byte, at int64) error {
	if at < 0 || at > v.size-int64(len(b)) {
		return fmt.Errorf("%w: %d bytes at %d, and the file has %d", ErrFormat, len(b), at, v.size)
	}
	if n, err := v.r.ReadAt(b, at); n < len(b) {
		return fmt.Errorf("read VHDX: %w", err)
	}
	return nil
}

// head reads header 0 or 1.
func (v *Reader) head(no int64) (h head, b []byte, err error) {
	b = make([]byte, headerSize)
	if err := v.read(b, (1+no)*headerAt); err != nil {
		return h, nil, err
	}
	h, err = parseHead(b)
	return h, b, err
}

// current is the header in use: a writer changes the other one, and gives it the
// larger number.
func (v *Reader) current() (head, error) {
	first, a, err := v.head(0)
	second, b, err2 := v.head(1)
	switch {
	case err != nil && err2 != nil:
		return head{}, err
	case err != nil:
		return second, nil
	case err2 != nil || first.number > second.number:
		return first, nil
	case first.number == second.number && !bytes.Equal(a, b):
		return head{}, fmt.Errorf("%w: two different headers have the number %d", ErrFormat, first.number)
	}
	return second, nil
}

// regionTable reads copy 0 or 1.
func (v *Reader) regionTable(no int64) ([]byte, error) {
	b := make([]byte, regionSize)
	return b, v.read(b, regionAt+no*regionSize)
}

// openRegions uses the first copy of the region table that is valid.
func (v *Reader) openRegions() ([]region, error) {
	var first error
	for no := range int64(2) {
		b, err := v.regionTable(no)
		if err != nil {
			return nil, err
		}
		regions, err := parseRegions(b, v.size)
		if err == nil {
			return regions, disjoint(regions)
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func disjoint(regions []region) error {
	s := slices.Clone(regions)
	slices.SortFunc(s, func(a, b region) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(s); i++ {
		if s[i].at < s[i-1].at+s[i-1].size {
			return fmt.Errorf("%w: region %s is on top of %s", ErrFormat, s[i].id, s[i-1].id)
		}
	}
	return nil
}

// items are the metadata items that are not user metadata.
func (v *Reader) items(r region) (map[id]item, error) {
	b := make([]byte, itemsAt)
	if err := v.read(b, r.at); err != nil {
		return nil, err
	}
	return parseItems(b, r.size)
}

func (v *Reader) openMetadata() error {
	r, err := find(v.regions, regionMetadata)
	if err != nil {
		return err
	}
	items, err := v.items(r)
	if err != nil {
		return err
	}
	value := func(name string) uint64 {
		it, b := items[idOf(name)], make([]byte, 8)
		if rerr := v.read(b[:it.size], r.at+it.at); rerr != nil && err == nil {
			err = rerr
		}
		return binary.LittleEndian.Uint64(b)
	}
	parameters, size, logical, physical := value(itemParameters), value(itemSize), value(itemLogical), value(itemPhysical)
	if err != nil {
		return err
	}
	v.shape, err = newShape(parameters, size, uint32(logical), uint32(physical))
	return err
}

func (v *Reader) openTable() error {
	r, err := find(v.regions, regionTable)
	if err != nil {
		return err
	}
	n := v.entry(v.blocks()-1) + 1
	if n > r.size/8 {
		return fmt.Errorf("%w: a table of %d bytes for %d blocks", ErrFormat, r.size, v.blocks())
	}
	v.table = make([]uint64, n)
	b := make([]byte, 64<<10)
	for at := int64(0); at < n; at += int64(len(b)) / 8 {
		piece := b[:min(int64(len(b)), (n-at)*8)]
		if err := v.read(piece, r.at+8*at); err != nil {
			return err
		}
		for i := range len(piece) / 8 {
			v.table[at+int64(i)] = binary.LittleEndian.Uint64(piece[8*i:])
		}
	}
	return nil
}

// Size is the size of the disk in bytes.
func (v *Reader) Size() int64 { return v.disk }

// ReadAt implements io.ReaderAt.
func (v *Reader) ReadAt(p []byte, off int64) (int, error) {
	return image.ReadBlocks(p, off, v.disk, v.block, func(p []byte, off int64) error {
		e := v.table[v.entry(off/v.block)]
		switch state := e & entryState; state {
		case blockAbsent, blockUndefined, blockZero, blockUnmapped:
			clear(p)
			return nil
		case blockPresent:
			return v.read(p, int64(min(e&entryOffset, 1<<62))+off%v.block)
		default:
			return fmt.Errorf("%w: block %d is in state %d", ErrFormat, off/v.block, state)
		}
	})
}

// Covered reports whether a block in the range is stored.
func (v *Reader) Covered(off, n int64) bool { return v.NextExtent(off) < off+n }

// NextExtent is the offset of the first byte at or after off whose block is stored,
// or Size. A block with an unknown state counts as stored, so that ReadAt returns
// the error.
func (v *Reader) NextExtent(off int64) int64 {
	for b := max(off, 0) / v.block; b < v.blocks(); b++ {
		if v.table[v.entry(b)]&entryState > blockUnmapped {
			return max(off, b*v.block)
		}
	}
	return v.disk
}
