// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// tool runs a foreign tool and returns its standard output.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, diag, err := tooltest.Output(tooltest.Command(t, name, args...))
	if err != nil {
		t.Fatalf("%s %s: %v\n%.4000s%s", name, strings.Join(args, " "), err, out, diag)
	}
	return out
}

// clean is the whole output of e2fsck if it finds nothing; it mentions some errors
// without a question or a failure.
var clean = regexp.MustCompile(`^(Pass [1-5]: [^\n]+\n)+[^\n]*: \d+/\d+ files \([0-9.]+% non-contiguous\), \d+/\d+ blocks\n$`)

// fsck fails the test unless e2fsck finds no problem in a file system.
func fsck(t testing.TB, path string) {
	t.Helper()
	out := tool(t, "e2fsck", "-fn", path)
	if !clean.MatchString(out) {
		t.Fatalf("e2fsck has something to repair:\n%s", out[:min(len(out), 4000)])
	}
}

// write writes the image's extents to a sparse file.
func write(t testing.TB, m *image.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fs.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	buf, zero := make([]byte, 1<<20), make([]byte, blockSize)
	for off := m.NextExtent(0); off < m.Size(); off = m.NextExtent(off) {
		n, err := m.ReadAt(buf, off)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("read image at %d: %v", off, err)
		}
		if err != nil && n == 0 {
			break
		}
		for k := 0; k < n; k += blockSize {
			b := buf[k:min(k+blockSize, n)]
			if bytes.Equal(b, zero[:len(b)]) {
				continue
			}
			if _, err := f.WriteAt(b, off+int64(k)); err != nil {
				t.Fatal(err)
			}
		}
		off += int64(n)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// build builds, writes and checks a file system.
func build(t testing.TB, tr *tree.Tree, o Options) string {
	t.Helper()
	m, err := Build(tr, o)
	if err != nil {
		t.Fatal(err)
	}
	path := write(t, m)
	fsck(t, path)
	disktest.Clean(t, openFS(t, path))
	return path
}

// sorted makes a tree from entries; the root is added if it is missing.
func sorted(entries ...tree.Entry) *tree.Tree {
	entries = slices.Clone(entries)
	if !slices.ContainsFunc(entries, func(e tree.Entry) bool { return e.Path == "" }) {
		entries = append(entries, tree.Entry{Mode: tree.Dir | 0o755, Mtime: 1})
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return &tree.Tree{Entries: entries}
}

func dir(path string) tree.Entry {
	return tree.Entry{Path: path, Mode: tree.Dir | 0o755, Mtime: 1700000000}
}

func file(path, content string) tree.Entry {
	return tree.Entry{Path: path, Mode: tree.Regular | 0o644, Mtime: 1700000000, Size: int64(len(content)), Content: strings.NewReader(content)}
}

var testOptions = Options{
	Label: "CAROSROOT", UUID: [16]byte{1, 2, 3, 4, 5, 6, 0x47, 8, 0x89, 10, 11, 12, 13, 14, 15, 16},
	HashSeed: [16]byte{16, 15, 14, 13, 12, 11, 0x4a, 9, 0x88, 7, 6, 5, 4, 3, 2, 1}, Time: 1700000000,
}
