// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// sameContent compares all bytes of m with the disk at path.
func sameContent(t testing.TB, m *image.Image, path string, format Format) {
	t.Helper()
	o, err := OpenDisk(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Format != format || o.Size() != m.Size() {
		t.Fatalf("%s: format %s, %d bytes, want %s, %d", filepath.Base(path), o.Format, o.Size(), format, m.Size())
	}
	a, b := make([]byte, mib+100), make([]byte, mib+100)
	for off := int64(0); off < m.Size(); off += int64(len(a)) {
		n, err := m.ReadAt(a, off)
		k, gerr := o.ReadAt(b, off)
		if n != k || (err == io.EOF) != (gerr == io.EOF) || gerr != nil && gerr != io.EOF || !bytes.Equal(a[:n], b[:k]) {
			t.Fatalf("%s: differs from %d on: %d bytes, %v", path, off, k, gerr)
		}
		if !o.Covered(off, int64(len(a))) && !pipeline.IsZero(a[:n]) {
			t.Errorf("%s: a hole at %d", path, off)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		out = append(out, e.Name())
	}
	return out
}

// endless is a stream of ones.
type endless struct{}

func (endless) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = 1
	}
	return len(p), nil
}

func command(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), tooltest.Find(t, name), args...).CombinedOutput()
	return string(out), err
}

// mk builds a tree of files.
func mk(files map[string]string) *tree.Tree {
	const mtime = 1700000000
	es := map[string]tree.Entry{"": {Mode: tree.Dir | 0o755, Mtime: mtime}}
	for p, c := range files {
		for d := filepath.Dir(p); d != "."; d = filepath.Dir(d) {
			es[d] = tree.Entry{Path: d, Mode: tree.Dir | 0o755, Mtime: mtime}
		}
		es[p] = tree.Entry{Path: p, Mode: tree.Regular | 0o644, Mtime: mtime, Size: int64(len(c)), Content: image.Bytes(c)}
	}
	t := &tree.Tree{}
	for _, e := range es {
		t.Entries = append(t.Entries, e)
	}
	slices.SortFunc(t.Entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return t
}

func esp() *tree.Tree {
	return mk(map[string]string{"vmlinuz": strings.Repeat("kernel ", 50000), "EFI/BOOT/BOOTX64.EFI": "MZ", "loader/loader.conf": "timeout 0\n"})
}

func root() *tree.Tree {
	t := mk(map[string]string{"etc/passwd": "root:x:0:0::/:/bin/sh\n", "usr/lib/libc.so": strings.Repeat("\x7fELF", 200000), "dev/.keep": ""})
	for i := range t.Entries {
		if t.Entries[i].Path == "etc/passwd" {
			t.Entries[i].GID = 42
		}
	}
	return t
}

// fakeBIOS are images with the fields that package grub checks.
func fakeBIOS() *BIOS {
	boot, core := make([]byte, 512), bytes.Repeat([]byte{0xCC}, 3*512)
	boot[0x5C], boot[0x64], boot[0x66], boot[510], boot[511] = 1, 0xFF, 0xEB, 0x55, 0xAA
	copy(core[0x1F4:], []byte{2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x20, 0x08})
	return &BIOS{Boot: boot, Core: core}
}

func hybrid() Spec {
	return Spec{
		Table: "gpt", Size: 160 << 20, Seed: []byte("seed"), Time: 1700000000, BIOS: fakeBIOS(),
		Partitions: []Partition{
			{Name: "esp", Type: "esp", FS: "fat32", Label: "CAROSESP", Size: bytesize.Partition{Bytes: 40 << 20}, Tree: esp()},
			{Name: "root", Type: "root-x86-64", FS: "ext4", Label: "CAROSROOT", Size: bytesize.Partition{Rest: true}, Tree: root()},
		},
	}
}

func compose(t testing.TB, s Spec) *Layout {
	t.Helper()
	l, err := Compose(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func writeAs(t testing.TB, m *image.Image, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := Write(t.Context(), path, "", m, WriteOptions{Seed: []byte("seed")}); err != nil {
		t.Fatal(err)
	}
	return path
}

// extract writes a partition to a file of its own.
func extract(t testing.TB, l *Layout, i int) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "partition"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := l.Partitions[i]
	if _, err := io.Copy(f, io.NewSectionReader(l.Image, p.Start, p.Size)); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
