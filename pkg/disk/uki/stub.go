// SPDX-License-Identifier: MPL-2.0

package uki

import (
	"bytes"
	"fmt"
)

// stub is a PE file whose headers are checked.
type stub struct {
	b          []byte
	pe         int // offset of the signature
	opt        int // of the optional header
	table      int // of the section table
	sections   []header
	alignment  int64 // of sections in memory
	fileAlign  int64
	headerRoom int   // where the section table must end
	rawEnd     int64 // end of the last section in the file
	imageEnd   int64 // and in memory
}

func newStub(b []byte) (*stub, error) {
	s := &stub{b: b}
	for _, step := range []func() error{s.findHeaders, s.readTable, s.measure, s.checkRoom} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrStub, err)
		}
	}
	return s, nil
}

// findHeaders finds the parts of the headers.
func (s *stub) findHeaders() error {
	b := s.b
	if len(b) < dosPE+4 || b[0] != 'M' || b[1] != 'Z' {
		return fmt.Errorf("it does not begin with MZ")
	}
	pe := int64(le.Uint32(b[dosPE:]))
	if pe+optional > int64(len(b)) || string(b[pe:pe+4]) != "PE\x00\x00" {
		return fmt.Errorf("no PE signature at %#x", pe)
	}
	s.pe, s.opt = int(pe), int(pe)+optional
	size := int(le.Uint16(b[s.pe+coffOptional:]))
	s.table = s.opt + size
	if s.table > len(b) || size < directories64+4 && size < directories32+4 {
		return fmt.Errorf("optional header of %d bytes", size)
	}
	switch magic := le.Uint16(b[s.opt+optMagic:]); {
	case magic != magic32 && magic != magic64 || magic == magic64 && size < directories64+4:
		return fmt.Errorf("optional header of %d bytes has magic %#x", size, magic)
	}
	s.alignment, s.fileAlign = int64(le.Uint32(b[s.opt+sectionAlign:])), int64(le.Uint32(b[s.opt+fileAlign:]))
	for _, a := range []int64{s.alignment, s.fileAlign} {
		if a <= 0 || a > 1<<16 || a&(a-1) != 0 {
			return fmt.Errorf("alignment of %d bytes", a)
		}
	}
	return nil
}

// readTable reads the section table.
func (s *stub) readTable() error {
	n := int(le.Uint16(s.b[s.pe+coffSections:]))
	if n == 0 || s.table+n*sectionSize > len(s.b) {
		return fmt.Errorf("%d sections, of which the headers are not all there", n)
	}
	for i := range n {
		s.sections = append(s.sections, readHeader(s.b[s.table+i*sectionSize:]))
	}
	return nil
}

// measure finds the ends of the sections.
func (s *stub) measure() error {
	s.headerRoom = int(min(int64(le.Uint32(s.b[s.opt+sizeOfHeaders:])), int64(len(s.b))))
	for _, h := range s.sections {
		end := int64(h.raw) + int64(h.rawSize)
		if end > int64(len(s.b)) {
			return fmt.Errorf("section %q ends at %d, the file at %d", h.name, end, len(s.b))
		}
		if h.rawSize > 0 {
			s.rawEnd = max(s.rawEnd, end)
			s.headerRoom = min(s.headerRoom, int(h.raw))
		}
		s.imageEnd = max(s.imageEnd, int64(h.address)+int64(max(h.size, h.rawSize)))
	}
	if s.rawEnd == 0 {
		return fmt.Errorf("no section has any data")
	}
	return nil
}

// checkRoom checks that the section table can grow without overwriting anything.
func (s *stub) checkRoom() error {
	end := s.table + len(s.sections)*sectionSize
	if end > s.headerRoom {
		return fmt.Errorf("section table ends at %#x, the headers at %#x", end, s.headerRoom)
	}
	if rest := s.b[end:s.headerRoom]; len(bytes.TrimLeft(rest, "\x00")) > 0 {
		s.headerRoom = end
	}
	return nil
}

// signature is the offset of the directory entry of signatures, or 0.
func (s *stub) signature() int {
	dirs := s.opt + directories32
	if le.Uint16(s.b[s.opt+optMagic:]) == magic64 {
		dirs = s.opt + directories64
	}
	at := dirs + 4 + certificate*directorySize
	if le.Uint32(s.b[dirs:]) <= certificate || at+directorySize > s.table {
		return 0
	}
	return at
}

// room is how many sections can be added.
func (s *stub) room() int {
	return (s.headerRoom-s.table)/sectionSize - len(s.sections)
}
