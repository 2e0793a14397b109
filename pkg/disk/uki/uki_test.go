// SPDX-License-Identifier: MPL-2.0

package uki

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// systemdStub is what Debian ships.
func systemdStub(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
	if err != nil {
		if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
			t.Fatalf("%v (package systemd-boot-efi)", err)
		}
		t.Skipf("%v (package systemd-boot-efi)", err)
	}
	return b
}

// smallStub is a PE32+ with one section of 512 bytes, space for 2 more, and symbols
// and a signature at the end.
func smallStub() []byte {
	b := make([]byte, 0x600)
	le := binary.LittleEndian
	copy(b, "MZ")
	le.PutUint32(b[0x3C:], 0x80)
	copy(b[0x80:], "PE\x00\x00")
	le.PutUint16(b[0x84:], 0x8664)
	le.PutUint16(b[0x86:], 1)
	le.PutUint32(b[0x8C:], 0x400)
	le.PutUint32(b[0x90:], 3)
	le.PutUint16(b[0x94:], 240)
	opt := b[0x98:]
	le.PutUint16(opt, 0x20B)
	le.PutUint32(opt[32:], 0x1000)
	le.PutUint32(opt[36:], 0x200)
	le.PutUint32(opt[56:], 0x2000)
	le.PutUint32(opt[60:], 0x200)
	le.PutUint32(opt[64:], 0xBAD)
	le.PutUint32(opt[108:], 16)
	le.PutUint32(opt[144:], 0x500)
	le.PutUint32(opt[148:], 0x100)
	h := header{".text", 0x1F0, 0x1000, 0x200, 0x200, 0x60000020}
	h.put(b[0x188:])
	copy(b[0x200:], "code")
	for i := 0x400; i < len(b); i++ {
		b[i] = 0xEE
	}
	return b
}

func sections() []Section {
	return []Section{
		{".osrel", []byte("ID=caros\n")},
		{".cmdline", []byte("root=LABEL=CAROSROOT ro")},
		{".linux", bytes.Repeat([]byte("kernel"), 100000)},
		{".initrd", bytes.Repeat([]byte("initrd!"), 1024*512/7+1)[:512*1024]},
	}
}

// TestBuild reads the result with debug/pe and objdump.
func TestBuild(t *testing.T) {
	for name, stub := range map[string][]byte{"systemd": systemdStub(t), "small": smallStub()[:0x600]} {
		t.Run(name, func(t *testing.T) {
			add := sections()
			if name == "small" {
				add = add[:2]
			}
			b, err := Build(stub, add)
			if err != nil {
				t.Fatal(err)
			}
			old, err := pe.NewFile(bytes.NewReader(stub))
			if name == "small" {
				old, err = pe.NewFile(bytes.NewReader(noSymbols(stub)))
			}
			if err != nil {
				t.Fatal(err)
			}
			f, err := pe.NewFile(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			checkHeaders(t, f, old, b, len(add))
			for i, x := range add {
				s := f.Sections[len(old.Sections)+i]
				want := x.Data
				if x.Name == ".cmdline" {
					want = append(want, 0)
				}
				got, err := s.Data()
				if err != nil || s.Name != x.Name || !bytes.Equal(got[:s.VirtualSize], want) {
					t.Errorf("section %s: %v, %d bytes of %s", x.Name, err, len(got), s.Name)
				}
				if s.VirtualAddress%4096 != 0 || s.Offset%512 != 0 || s.Size%512 != 0 || s.Characteristics != 0x40000040 {
					t.Errorf("section %s: %+v", x.Name, s.SectionHeader)
				}
			}
			compareObjdump(t, b, f)
		})
	}
}

// noSymbols is a stub that debug/pe accepts.
func noSymbols(stub []byte) []byte {
	b := bytes.Clone(stub)
	clear(b[0x8C:0x94])
	return b
}

func checkHeaders(t *testing.T, f, old *pe.File, b []byte, added int) {
	t.Helper()
	if got, want := len(f.Sections), len(old.Sections)+added; got != want {
		t.Fatalf("%d sections, want %d", got, want)
	}
	for i, s := range old.Sections {
		if diff := cmp.Diff(f.Sections[i].SectionHeader, s.SectionHeader); diff != "" {
			t.Errorf("section %s (-got +stub):\n%s", s.Name, diff)
		}
		got, err1 := f.Sections[i].Data()
		want, err2 := s.Data()
		if err1 != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Errorf("section %s has other bytes", s.Name)
		}
	}
	end := uint32(0)
	for _, s := range f.Sections { // ascending and apart
		if s.VirtualAddress < end {
			t.Errorf("section %s at %#x, the one before ends at %#x", s.Name, s.VirtualAddress, end)
		}
		end = s.VirtualAddress + s.VirtualSize
	}
	o := f.OptionalHeader.(*pe.OptionalHeader64)
	if o.SizeOfImage < end || o.SizeOfImage-end >= o.SectionAlignment || o.SizeOfImage%o.SectionAlignment != 0 || o.CheckSum != 0 {
		t.Errorf("image of %#x bytes, sections end at %#x, checksum %#x", o.SizeOfImage, end, o.CheckSum)
	}
	if f.PointerToSymbolTable != 0 || f.NumberOfSymbols != 0 || o.DataDirectory[4] != (pe.DataDirectory{}) {
		t.Error("symbols or a signature are left")
	}
	last := f.Sections[len(f.Sections)-1]
	if got, want := len(b), int(last.Offset+last.Size); got != want {
		t.Errorf("file of %d bytes, last section ends at %d", got, want)
	}
}

var objdumpLine = regexp.MustCompile(`(?m)^ +\d+ (\S+) +([0-9a-f]{8})  ([0-9a-f]{16})  [0-9a-f]{16}  ([0-9a-f]{8})`)

// compareObjdump has objdump list the sections.
func compareObjdump(t *testing.T, b []byte, f *pe.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "uki.efi")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	objdump := tooltest.Find(t, "objdump")
	out, err := exec.CommandContext(t.Context(), objdump, "-h", path).CombinedOutput()
	if err != nil {
		t.Fatalf("objdump: %v\n%s", err, out)
	}
	base := f.OptionalHeader.(*pe.OptionalHeader64).ImageBase
	var got, want []string
	for _, m := range objdumpLine.FindAllStringSubmatch(string(out), -1) {
		at, err := strconv.ParseUint(m[3], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %x %s", m[1], m[2], at-base, m[4]))
	}
	for _, s := range f.Sections {
		n := s.VirtualSize // objdump shows the smaller
		if s.Size < n {
			n = s.Size
		}
		want = append(want, fmt.Sprintf("%s %08x %x %08x", s.Name, n, s.VirtualAddress, s.Offset))
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("objdump (-), debug/pe (+):\n%s\n%s", diff, out)
	}
}

func TestErrors(t *testing.T) {
	change := func(at int, v uint32) []byte {
		b := smallStub()
		binary.LittleEndian.PutUint32(b[at:], v)
		return b
	}
	one := []Section{{".linux", []byte("x")}}
	for _, tt := range []struct {
		name     string
		stub     []byte
		sections []Section
		is       error
		text     string
	}{
		{"empty", nil, one, ErrStub, "MZ"},
		{"no PE", change(0x80, 0), one, ErrStub, "signature"},
		{"far PE", change(0x3C, 0xFFFFFFFF), one, ErrStub, "signature"},
		{"truncated", smallStub()[:0x3FF], one, ErrStub, "ends at 1024, the file at 1023"},
		{"huge section", change(0x188+16, 0xFFFFFFFF), one, ErrStub, "ends at"},
		{"no sections", change(0x84, 0x8664), one, ErrStub, "0 sections"},
		{"alignment", change(0x98+36, 3), one, ErrStub, "alignment of 3"},
		{"magic", change(0x98, 0x107), one, ErrStub, "magic 0x107"},
		{"far address", change(0x188+12, 0xFFFFF000), one, nil, "4 GiB"},
		{"headers", change(0x98+60, 0x100), one, ErrStub, "section table ends"},
		{"something behind", change(0x188+40, 1), one, ErrRoom, "1 sections to add, 0 fit"},
		{"room", smallStub(), sections(), ErrRoom, "4 sections to add, 2 fit"},
		{"name", smallStub(), []Section{{".ninechar", []byte("x")}}, nil, "name"},
		{"no name", smallStub(), []Section{{"", []byte("x")}}, nil, "name"},
		{"twice", smallStub(), []Section{one[0], one[0]}, nil, "twice"},
		{"there", smallStub(), []Section{{".text", []byte("x")}}, nil, "twice"},
		{"nothing", smallStub(), []Section{{".initrd", nil}}, nil, "empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Build(tt.stub, tt.sections)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %v with %q", err, tt.is, tt.text)
			}
		})
	}
}

// TestStubUnchanged: the caller's bytes are not changed.
func TestStubUnchanged(t *testing.T) {
	stub := smallStub()
	if _, err := Build(stub, []Section{{".cmdline", nil}}); err != nil || !bytes.Equal(stub, smallStub()) {
		t.Errorf("%v, or the stub changed", err)
	}
}

// FuzzBuild accepts any stub; the result is a PE with the sections.
func FuzzBuild(f *testing.F) {
	f.Add(smallStub(), ".linux", []byte("x"))
	f.Add(smallStub()[:0x400], ".cmdline", []byte(nil))
	f.Fuzz(func(t *testing.T, stub []byte, name string, data []byte) {
		b, err := Build(stub, []Section{{name, data}})
		if err != nil {
			return
		}
		s, err := newStub(b)
		if err != nil {
			t.Fatalf("our own result: %v", err)
		}
		if last := s.sections[len(s.sections)-1]; last.name != name || !bytes.HasPrefix(b[last.raw:], data) {
			t.Errorf("last section is %+v", last)
		}
	})
}
