// SPDX-License-Identifier: MPL-2.0

// Package image holds a block device as a value: its size and the sources of its
// bytes. Nothing is read before the image is, and holes never are.
package image

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Extent is a run of bytes of an Image, taken from Src at SrcOff. If Src ends early
// (io.EOF before Len), the reader gets an error, so that a file that shrank is
// noticed.
type Extent struct {
	Off, Len int64 // bytes, on the image
	Src      io.ReaderAt
	SrcOff   int64
}

// Image is a read-only block device: a size and sorted, disjoint extents.
// What no extent covers reads as zero. It is safe for concurrent use.
type Image struct {
	size    int64
	extents []Extent
}

// New sorts the extents and checks that they are disjoint and within size. Extents
// of length 0 are dropped. The Image owns the slice from then on, which avoids a
// copy: a disk has one extent per file, and many files.
func New(size int64, extents []Extent) (*Image, error) {
	xs := slices.DeleteFunc(extents, func(x Extent) bool { return x.Len == 0 })
	slices.SortFunc(xs, func(a, b Extent) int { return cmp.Compare(a.Off, b.Off) })
	end := int64(0)
	for _, x := range xs {
		if x.Off < end || x.Len < 0 || x.Len > size-x.Off {
			return nil, fmt.Errorf("extent at %d, %d bytes, overlaps its predecessor (ends at %d) or the image's end (%d)", x.Off, x.Len, end, size)
		}
		end = x.Off + x.Len
	}
	return &Image{size: size, extents: xs}, nil
}

// Size is the size of the device in bytes.
func (m *Image) Size() int64 { return m.size }

// Extents are the extents in order. The slice must not be changed.
func (m *Image) Extents() []Extent { return m.extents }

// from is the index of the first extent that ends after off.
func (m *Image) from(off int64) int {
	return sort.Search(len(m.extents), func(i int) bool { return m.extents[i].Off+m.extents[i].Len > off })
}

// Covered reports whether an extent touches the range of n bytes at off.
func (m *Image) Covered(off, n int64) bool {
	i := m.from(off)
	return i < len(m.extents) && m.extents[i].Off < off+n
}

// NextExtent is the offset of the first byte at or after off that an extent covers,
// or Size if there is none.
func (m *Image) NextExtent(off int64) int64 {
	i := m.from(off)
	if i == len(m.extents) {
		return m.size
	}
	return max(off, m.extents[i].Off)
}

// ReadAt implements io.ReaderAt.
func (m *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	if off >= m.size {
		return 0, io.EOF
	}
	n := int64(len(p))
	short := n > m.size-off
	if short {
		n = m.size - off
	}
	pos := off
	for i := m.from(off); i < len(m.extents) && pos < off+n; i++ {
		x := m.extents[i]
		if x.Off > pos { // a hole
			end := min(x.Off, off+n)
			clear(p[pos-off : end-off])
			pos = end
			if pos == off+n {
				break
			}
		}
		end := min(x.Off+x.Len, off+n)
		b := p[pos-off : end-off]
		k, err := x.Src.ReadAt(b, x.SrcOff+pos-x.Off)
		if k < len(b) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return int(pos-off) + k, fmt.Errorf("image at %d: %w", pos+int64(k), err)
		}
		pos = end
	}
	clear(p[pos-off : n])
	if short {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Bytes is an io.ReaderAt over a byte slice.
type Bytes []byte

// ReadAt implements io.ReaderAt.
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Zeros reads as zero. An extent of it is not a hole: it has to be written when the
// image is copied onto a medium with old data.
type Zeros struct{}

// ReadAt implements io.ReaderAt.
func (Zeros) ReadAt(p []byte, _ int64) (int, error) {
	clear(p)
	return len(p), nil
}

// Solid is the image with Zeros for its holes.
func (m *Image) Solid() *Image {
	s := &Image{size: m.size}
	end := int64(0)
	for _, x := range append(slices.Clone(m.extents), Extent{Off: m.size}) {
		if x.Off > end {
			s.extents = append(s.extents, Extent{Off: end, Len: x.Off - end, Src: Zeros{}})
		}
		if x.Len > 0 {
			s.extents = append(s.extents, x)
		}
		end = x.Off + x.Len
	}
	return s
}
