// SPDX-License-Identifier: MPL-2.0

package uki

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// maxHead bounds the size of the headers that are read: about 1600 sections.
const maxHead = 64 << 10

// Image is an EFI executable whose headers were read. It keeps the reader.
type Image struct {
	Parts []Part // in the order of the section table

	s    stub
	r    io.ReaderAt
	size int64
}

// Part is a section of an executable.
type Part struct {
	Name string // as stored, up to 8 bytes of anything
	Size int64  // in memory, in bytes; what is not in the file is zero
	h    header
}

// Read reads the headers of a file of that many bytes, and no section. The error
// wraps ErrStub if the headers are not valid. An image with truncated sections can
// be read; Check reports them.
func Read(r io.ReaderAt, size int64) (*Image, error) {
	if size <= 0 {
		return nil, fmt.Errorf("%w: it is empty", ErrStub)
	}
	b := make([]byte, min(size, maxHead))
	n, err := r.ReadAt(b, 0)
	if n < len(b) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	m := &Image{s: stub{b: b[:n]}, r: r, size: size}
	for _, step := range []func() error{m.s.findHeaders, m.s.readTable} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStub, err)
		}
	}
	for _, h := range m.s.sections {
		m.Parts = append(m.Parts, Part{Name: h.name, Size: int64(h.size), h: h})
	}
	return m, nil
}

// Open is the content of a section in the file, without the padding: the first one
// of that name, which the stub uses. It is nil if there is none.
func (m *Image) Open(name string) *io.SectionReader {
	i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return m.Content(m.Parts[i])
}

// Content is the content of a section in the file, without the padding.
func (m *Image) Content(p Part) *io.SectionReader {
	h := p.h
	end := min(int64(h.raw)+int64(min(h.size, h.rawSize)), m.size)
	return io.NewSectionReader(m.r, int64(h.raw), max(end-int64(h.raw), 0))
}

// Check checks what firmware and the stub rely on: the sections are in the file,
// they ascend and do not overlap in memory and do not overlap in the file, the
// headers cover them, and the kernel is an EFI executable, too. Contents of other
// sections and signatures are not checked.
func (m *Image) Check() []damage.Problem {
	var l damage.List
	m.checkHeaders(&l)
	m.checkMemory(&l)
	m.checkFile(&l)
	m.checkKernel(&l)
	return l.Problems()
}

func (m *Image) field(at int) int64 { return int64(le.Uint32(m.s.b[m.s.opt+at:])) }

func (m *Image) checkHeaders(l *damage.List) {
	if m.s.alignment < m.s.fileAlign {
		l.Add("headers", "sections are aligned to %d bytes in memory and to %d in the file", m.s.alignment, m.s.fileAlign)
	}
	end := int64(m.s.table + len(m.s.sections)*sectionSize)
	if n := m.field(sizeOfHeaders); n < end {
		l.Add("headers", "they have %d bytes, and the section table ends at %d", n, end)
	}
	entry := m.field(entryPoint)
	if !slices.ContainsFunc(m.s.sections, func(h header) bool { return int64(h.address) <= entry && entry < memoryEnd(h) }) {
		l.Add("headers", "the program begins at %#x, in no section", entry)
	}
	if at := m.s.signature(); at > 0 {
		// The only directory whose address is a file offset.
		from, n := int64(le.Uint32(m.s.b[at:])), int64(le.Uint32(m.s.b[at+4:]))
		if from+n > m.size {
			l.Add("signature", "it ends at %d, the file at %d", from+n, m.size)
		}
	}
}

func memoryEnd(h header) int64 { return int64(h.address) + int64(h.size) }

func fileEnd(h header) int64 { return int64(h.raw) + int64(h.rawSize) }

func (h *header) where() string { return fmt.Sprintf("section %+q", h.name) }

// checkMemory checks the addresses at which firmware puts the sections.
func (m *Image) checkMemory(l *damage.List) {
	image, end, before := m.field(sizeOfImage), m.field(sizeOfHeaders), "headers"
	for _, h := range m.s.sections {
		switch at := int64(h.address); {
		case m.s.alignment >= pageSize && at%m.s.alignment != 0: // systemd 252 itself has an unaligned one, of 512 bytes
			l.Add(h.where(), "its address %#x is not a multiple of %#x", at, m.s.alignment)
		case at < end:
			l.Add(h.where(), "its address is %#x, and what is before it (%s) ends at %#x", at, before, end)
		}
		if n := memoryEnd(h); n > image {
			l.Add(h.where(), "it ends at %#x in memory, the image at %#x", n, image)
		}
		if n := memoryEnd(h); n > end {
			end, before = n, h.where()
		}
	}
}

// checkFile checks the offsets of the sections in the file, in whatever order they
// are.
func (m *Image) checkFile(l *damage.List) {
	order := slices.DeleteFunc(slices.Clone(m.s.sections), func(h header) bool { return h.rawSize == 0 })
	slices.SortStableFunc(order, func(a, b header) int { return cmp.Compare(a.raw, b.raw) })
	end, before := m.field(sizeOfHeaders), "headers"
	for _, h := range order {
		if int64(h.raw) < end {
			l.Add(h.where(), "it begins at %d in the file, and what is before it (%s) ends at %d", h.raw, before, end)
		}
		if n := fileEnd(h); n > m.size {
			l.Add(h.where(), "it ends at %d, the file at %d", n, m.size)
		}
		if n := fileEnd(h); n > end {
			end, before = n, h.where()
		}
	}
}

// checkKernel checks the kernel, which the stub starts in the same way as firmware
// would.
func (m *Image) checkKernel(l *damage.List) {
	const name = ".linux"
	r := m.Open(name)
	if r == nil {
		l.Add("image", "it has no section %s", name)
		return
	}
	where := fmt.Sprintf("section %+q", name)
	k, err := Read(r, r.Size())
	if err != nil {
		l.Add(where, "what is in it is not a kernel: %v", err)
		return
	}
	for _, h := range k.s.sections {
		if n := fileEnd(h); h.rawSize > 0 && n > k.size {
			l.Add(where, "%s of the kernel ends at %d, the kernel at %d", h.where(), n, k.size)
		}
	}
}
