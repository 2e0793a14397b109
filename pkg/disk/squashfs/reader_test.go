// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// open reads an image as a tree.
func open(t testing.TB, path string) *tree.Tree {
	t.Helper()
	s, err := Open(disktest.File(t, path))
	if err != nil {
		t.Fatal(err)
	}
	tr, err := s.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// TestRead reads random file systems of our own back.
func TestRead(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 6))
		tr := randomTree(rnd, 150)
		c := []Compression{Zstd, Gzip, XZ}[seed%3]
		if c == XZ {
			tr = randomTree(rnd, 40)
		}
		got := open(t, build(t, tr, Options{Compression: c}))
		if diff := cmp.Diff(disktest.Entries(t, got), disktest.Entries(t, tr)); diff != "" {
			t.Fatalf("seed %d: read (-), tree (+):\n%.3000s", seed, diff)
		}
	}
}

// TestReadMksquashfs reads what mksquashfs makes of a tree that unsquashfs has
// unpacked.
func TestReadMksquashfs(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 6))
	first := build(t, randomTree(rnd, 100), Options{})
	dir := filepath.Join(t.TempDir(), "out")
	if os.Geteuid() != 0 {
		t.Skip("not the superuser")
	}
	tool(t, "unsquashfs", "-n", "-d", dir, first)
	want := disktest.Entries(t, open(t, first))
	for _, args := range []string{
		"-comp gzip -b 4096", "-comp xz -b 1M", "-comp zstd -b 64K -always-use-fragments", "-comp gzip -no-fragments -no-exports",
		"-comp gzip -noI -noD -noF -noX",
	} {
		out := filepath.Join(t.TempDir(), "fs")
		tool(t, "mksquashfs", append([]string{dir, out, "-no-progress", "-quiet"}, strings.Fields(args)...)...)
		if diff := cmp.Diff(disktest.Entries(t, open(t, out)), want); diff != "" {
			t.Errorf("%s: read (-), ours (+):\n%.3000s", args, diff)
		}
	}
}

// TestReadHoles knows the holes.
func TestReadHoles(t *testing.T) {
	const size = 1<<40 + 77
	e := tree.Entry{Path: "huge", Mode: tree.Regular | 0o600, Size: size, Content: disktest.Mark{Size: size, At: 4<<30 + 9}, Data: []tree.Range{{Off: 4<<30 + 5, Len: 10}}}
	got := open(t, build(t, disktest.Sorted(e), Options{})).Entries[1]
	if diff := cmp.Diff(got.Data, []tree.Range{{Off: 4 << 30, Len: blockSize}}); diff != "" {
		t.Errorf("ranges (-got +want):\n%s", diff)
	}
	b := make([]byte, 20)
	if n, err := got.Content.ReadAt(b, 4<<30); n != 20 || err != nil || b[9] != 'm' {
		t.Errorf("%d bytes, %v: %q", n, err, b)
	}
	if n, err := got.Content.ReadAt(b, size-5); n != 5 || err != io.EOF {
		t.Errorf("%d bytes at the end, %v", n, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	good, err := os.ReadFile(build(t, disktest.Sorted(disktest.Regular("f", "x")), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	change := func(at int, v uint64, n int) []byte {
		b := bytes.Clone(good)
		copy(b[at:at+n], le.AppendUint64(nil, v))
		return b
	}
	for _, tt := range []struct {
		name string
		b    []byte
		text string
	}{
		{"short", good[:95], "95 bytes are too few"},
		{"magic", change(0, 0, 4), "magic"},
		{"version", change(28, 3, 2), "version 3.0"},
		{"block size", change(12, 5, 4), "blocks of 5 bytes"},
		{"compression", change(20, 3, 2), "compression 3"},
		{"truncated", good[:200], "on a device of 200"},
		{"tables", change(64, 1<<40, 8), "a table begins behind"},
		{"root", change(32, 1<<40, 8), "behind its"},
		{"root in a block", change(32, 0xffff, 8), "block of metadata"},
	} {
		f, err := Open(bytes.NewReader(tt.b), int64(len(tt.b)))
		if err == nil {
			_, err = f.Tree()
		}
		if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.text)
		}
	}
}

// FuzzOpen reads arbitrary file systems; the result is a sorted tree.
func FuzzOpen(f *testing.F) {
	for _, c := range []Compression{Zstd, Gzip, XZ} {
		for seed := range uint64(3) {
			b, err := os.ReadFile(build(f, randomTree(rand.New(rand.NewPCG(seed, 6)), 10), Options{Compression: c}))
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b[:min(len(b), 1<<16)])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		tr, _ := s.Tree()
		disktest.ReadTree(t, tr)
	})
}
