// SPDX-License-Identifier: MPL-2.0

package uki

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// tinyKernel is an EFI executable that the stub could take for a kernel.
func tinyKernel(t testing.TB) []byte {
	t.Helper()
	b, err := Build(smallStub(), []Section{{".more", bytes.Repeat([]byte("kernel"), 5000)}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parts(t testing.TB) []Section {
	t.Helper()
	return []Section{
		{".osrel", []byte("ID=caros\n")},
		{".cmdline", []byte("root=LABEL=CAROSROOT ro\x00")},
		{".uname", []byte("6.1.0-50-amd64")},
		{".linux", tinyKernel(t)},
		{".initrd", bytes.Repeat([]byte("initrd!"), 10000)},
	}
}

// built is an image with Debian's stub.
func built(t testing.TB) []byte {
	t.Helper()
	b, err := Build(systemdStub(t), parts(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// objcopied is the same image made by objcopy, at the addresses that
// systemd-stub(7) used to recommend.
func objcopied(t testing.TB) []byte {
	t.Helper()
	objcopy := tooltest.Find(t, "objcopy")
	dir := t.TempDir()
	stub, out := filepath.Join(dir, "stub"), filepath.Join(dir, "uki.efi")
	files := map[string][]byte{stub: systemdStub(t)}
	var args []string
	for i, x := range parts(t) {
		file := filepath.Join(dir, x.Name)
		files[file] = x.Data
		args = append(args, "--add-section", x.Name+"="+file, "--change-section-vma", fmt.Sprintf("%s=%#x", x.Name, 0x100000*(i+1)))
	}
	for file, data := range files {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := exec.CommandContext(t.Context(), objcopy, append(args, stub, out)...).CombinedOutput(); err != nil {
		t.Fatalf("objcopy: %v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t testing.TB, b []byte) *Image {
	t.Helper()
	m, err := Read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRead(t *testing.T) {
	for name, make := range map[string]func(testing.TB) []byte{"built": built, "objcopy": objcopied} {
		t.Run(name, func(t *testing.T) {
			m := read(t, make(t))
			for _, p := range m.Check() {
				t.Error(p)
			}
			for _, x := range parts(t) {
				got, err := io.ReadAll(m.Open(x.Name))
				if err != nil || !bytes.Equal(got, x.Data) {
					t.Errorf("section %s: %d bytes, %v, want %d", x.Name, len(got), err, len(x.Data))
				}
				i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == x.Name })
				if m.Parts[i].Size != int64(len(x.Data)) {
					t.Errorf("section %s of %d bytes, want %d", x.Name, m.Parts[i].Size, len(x.Data))
				}
			}
			if m.Open(".dtb") != nil {
				t.Error("there is a section .dtb")
			}
		})
	}
}

// TestReadNothing reads the headers and no section.
func TestReadNothing(t *testing.T) {
	r := &counter{r: bytes.NewReader(built(t))}
	if _, err := Read(r, r.r.Size()); err != nil || r.n > maxHead {
		t.Errorf("read %d bytes: %v", r.n, err)
	}
}

type counter struct {
	r *bytes.Reader
	n int
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.n += len(p)
	return c.r.ReadAt(p, off)
}

// damaged changes a number in the headers of an image.
type damaged struct {
	name    string
	section string // name of the section whose header is meant, "" for the optional header
	at      int
	value   uint32
	want    []string
}

func TestCheck(t *testing.T) {
	good := built(t)
	m := read(t, good)
	for _, tt := range []damaged{
		{"no room for headers", "", sizeOfHeaders, 0x200, []string{"headers: they have 512 bytes, and the section table ends at 912"}},
		{"huge headers", "", sizeOfHeaders, 0x5000, []string{
			`section ".text": its address is 0x4000, and what is before it (headers) ends at 0x5000`,
			`section ".text": it begins at 1024 in the file, and what is before it (headers) ends at 20480`,
		}},
		{"small image", "", sizeOfImage, 0x30000, []string{`section ".initrd": it ends at `}},
		{"alignment", "", fileAlign, 0x1000, []string{"headers: sections are aligned to 512 bytes in memory and to 4096 in the file"}},
		{"entry", "", entryPoint, 0x7FFFFFFF, []string{"headers: the program begins at 0x7fffffff, in no section"}},
		{"signature", "", directories64 + 4 + certificate*directorySize + 4, 0x7FFFFFFF, []string{"signature: it ends at 2147483647, the file at "}},
		{"crooked address", "", sectionAlign, 0x1000, []string{`section ".sdmagic": its address 0x19100 is not a multiple of 0x1000`}},
		{"on another in memory", ".cmdline", 12, 0x1000, []string{`section ".cmdline": its address is 0x1000, and what is before it (section ".osrel") ends at 0x`}},
		{"behind the next in memory", ".osrel", 12, 0x7FF000, []string{`section ".osrel": it ends at 0x7ff009 in memory, the image at 0x`, `section ".cmdline": its address is 0x`}},
		{"larger than its place", ".osrel", 8, 0x2000, []string{`section ".cmdline": its address is 0x`}},
		{"far away", ".initrd", 12, 0xFFFFF000, []string{`section ".initrd": it ends at 0x1000`}},
		{"on another in the file", ".uname", 20, 0x400, []string{`begins at 1024 in the file, and what is before it (section "`}},
		{"in the headers", ".uname", 20, 0x40, []string{`section ".uname": it begins at 64 in the file, and what is before it (headers) ends at 1024`}},
		{"behind the file", ".uname", 20, 0xFFFFFF00, []string{`section ".uname": it ends at 4294967552, the file at `}},
		{"longer than the file", ".initrd", 16, 0xFFFFFFFF, []string{`section ".initrd": it ends at 42`}},
		{"no kernel", ".linux", 0, 0, []string{"image: it has no section .linux"}},
		{"kernel elsewhere", ".linux", 20, 0x400, []string{`section ".linux": what is in it is not a kernel: not an EFI stub: it does not begin with MZ`}},
		{"kernel of no size", ".linux", 8, 0, []string{`section ".linux": what is in it is not a kernel`}},
		{"half a kernel", ".linux", 8, 0x800, []string{`section ".linux": section ".more" of the kernel ends at 31232, the kernel at 2048`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(good)
			at := m.s.opt + tt.at
			if tt.section != "" {
				i := slices.IndexFunc(m.Parts, func(p Part) bool { return p.Name == tt.section })
				at = m.s.table + i*sectionSize + tt.at
			}
			le.PutUint32(b[at:], tt.value)
			wantProblems(t, b, tt.want...)
		})
	}
}

// wantProblems looks for the beginning of each wanted problem.
func wantProblems(t *testing.T, b []byte, want ...string) {
	t.Helper()
	problems := read(t, b).Check()
	for _, w := range want {
		if !slices.ContainsFunc(problems, func(p damage.Problem) bool { return strings.Contains(p.String(), w) }) {
			t.Errorf("got %v, want %q", problems, w)
		}
	}
}

// TestTruncated truncates an image in each of its sections.
func TestTruncated(t *testing.T) {
	good := built(t)
	m := read(t, good)
	var got, want []string
	for _, p := range m.Parts {
		b := good[:int(p.h.raw)+int(p.h.rawSize)/2]
		for _, x := range read(t, b).Check() {
			if strings.Contains(x.Text, fmt.Sprintf("it ends at %d, the file at %d", fileEnd(p.h), len(b))) {
				got = append(got, x.Where)
			}
		}
		want = append(want, p.h.where())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
	for _, n := range []int{0, 1, 63, 200, 900} { // in the headers
		if _, err := Read(bytes.NewReader(good[:n]), int64(n)); !errors.Is(err, ErrStub) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	// A section whose end is missing returns the part before it.
	r := read(t, good[:len(good)-60000]).Open(".initrd")
	if b, err := io.ReadAll(r); err != nil || len(b) == 0 || !strings.HasPrefix(strings.Repeat("initrd!", 10000), string(b)) {
		t.Errorf("half an initrd: %d bytes, %v", len(b), err)
	}
}

// FuzzRead reads and checks any file.
func FuzzRead(f *testing.F) {
	small, err := Build(smallStub(), []Section{{".linux", tinyKernel(f)[:0x600]}, {".cmdline", []byte("quiet")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(small, int64(len(small)))
	f.Add(small[:0x300], int64(1<<40))
	f.Add(smallStub(), int64(0x400))
	f.Fuzz(func(t *testing.T, b []byte, size int64) {
		m, err := Read(bytes.NewReader(b), size)
		if err != nil {
			return
		}
		for _, p := range m.Check() {
			if p.Where == "" || p.Text == "" {
				t.Errorf("problem %+v", p)
			}
		}
		for _, p := range m.Parts {
			r := m.Open(p.Name)
			if r == nil || r.Size() > max(p.Size, 1<<32) || r.Size() > size {
				t.Fatalf("section %q: %v", p.Name, r)
			}
			_, _ = r.ReadAt(make([]byte, 16), 0) // or an error
		}
	})
}
