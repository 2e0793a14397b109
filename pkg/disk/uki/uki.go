// SPDX-License-Identifier: MPL-2.0

// Package uki makes and reads unified kernel images: one EFI executable of
// systemd's stub, kernel, initrd, command line and other sections that the stub
// supports, as made by objcopy or ukify. Signatures and PCR measurements are left
// out; a signature of the stub is dropped, because it would no longer match.
package uki

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// ErrStub is wrapped if a stub is not a complete PE executable.
var ErrStub = errors.New("not an EFI stub")

// ErrRoom says that a stub's headers have no space for the sections.
var ErrRoom = errors.New("no room in the stub's headers")

// Section is a section that the stub finds by its name, such as .linux, .initrd,
// .cmdline, .osrel, .uname, .dtb or .splash.
type Section struct {
	Name string // at most 8 bytes
	Data []byte
}

// Build appends sections to a stub, in their order. If a .cmdline does not end in a
// zero byte, one is added.
func Build(stub []byte, sections []Section) ([]byte, error) {
	s, err := newStub(stub)
	if err != nil {
		return nil, err
	}
	if n := s.room(); len(sections) > n {
		return nil, fmt.Errorf("%w: %d sections to add, %d fit", ErrRoom, len(sections), n)
	}
	size := up(s.rawEnd, s.fileAlign)
	for _, x := range sections {
		if err := s.check(x); err != nil {
			return nil, err
		}
		size += up(int64(len(x.Data))+1, s.fileAlign)
	}
	if size > 1<<32-1<<17 {
		return nil, fmt.Errorf("unified kernel image of %d bytes: at most 4 GiB", size)
	}
	out := make([]byte, up(s.rawEnd, s.fileAlign), size)
	copy(out, stub[:s.rawEnd])
	return s.finish(s.append(out, sections))
}

// check says what is wrong with a section.
func (s *stub) check(x Section) error {
	switch {
	case x.Name == "" || len(x.Name) > sectionName || bytes.IndexByte([]byte(x.Name), 0) >= 0:
		return fmt.Errorf("section name %q: 1 to %d bytes", x.Name, sectionName)
	case len(x.Data) == 0 && x.Name != ".cmdline":
		return fmt.Errorf("section %s is empty", x.Name)
	case slices.ContainsFunc(s.sections, func(h header) bool { return h.name == x.Name }):
		return fmt.Errorf("section %s is there twice", x.Name)
	}
	s.sections = append(s.sections, header{name: x.Name})
	return nil
}

// append puts the sections after the end of the file and fills in their headers,
// for which check has reserved space.
func (s *stub) append(out []byte, sections []Section) []byte {
	first := len(s.sections) - len(sections)
	for i, x := range sections {
		data := x.Data
		if x.Name == ".cmdline" && !bytes.HasSuffix(data, []byte{0}) {
			data = append(slices.Clone(data), 0)
		}
		h := &s.sections[first+i]
		h.raw, h.size = uint32(len(out)), uint32(len(data))
		address := up(s.imageEnd, max(s.alignment, pageSize)) // finish checks whether it fits
		h.address = uint32(address)
		h.rawSize = uint32(up(int64(len(data)), s.fileAlign))
		h.attributes = readInitialised
		s.imageEnd = address + int64(h.size)
		out = append(out, data...)
		out = append(out, make([]byte, int(h.rawSize)-len(data))...)
		h.put(out[s.table+(first+i)*sectionSize:])
	}
	return out
}

// finish fills the other headers.
func (s *stub) finish(out []byte) ([]byte, error) {
	end := up(s.imageEnd, s.alignment)
	if end > 1<<32-1 {
		return nil, fmt.Errorf("unified kernel image takes %d bytes of memory: at most 4 GiB", end)
	}
	le.PutUint16(out[s.pe+coffSections:], uint16(len(s.sections)))
	le.PutUint32(out[s.pe+coffSymbols:], 0) // they were after the sections
	le.PutUint32(out[s.pe+coffSymbolsNum:], 0)
	le.PutUint32(out[s.opt+sizeOfImage:], uint32(end))
	le.PutUint32(out[s.opt+checkSum:], 0)
	if at := s.signature(); at > 0 {
		clear(out[at : at+directorySize])
	}
	return out, nil
}

// up rounds up to a power of two.
func up(n, to int64) int64 { return (n + to - 1) &^ (to - 1) }
