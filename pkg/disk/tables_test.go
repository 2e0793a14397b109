// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bytes"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/kind"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/google/go-cmp/cmp"
)

// TestFileSystems requires code for each file system that a declaration can name,
// and a name for each that has code.
func TestFileSystems(t *testing.T) {
	var names []string
	for _, s := range FileSystems() {
		names = append(names, s.Name)
		if s.least == nil || s.build == nil {
			t.Errorf("%s is not made", s.Name)
		}
		if s.Tree && (s.Open == nil || !s.Xattr("user.a")) {
			t.Errorf("%s can be a root, and is not read or holds no attributes", s.Name)
		}
		if s.Sure && (s.Open == nil || len(s.Magics) == 0) {
			t.Errorf("%s is known by a magic that it does not have, or cannot be read", s.Name)
		}
	}
	if diff := cmp.Diff(names, kind.Names(nil)); diff != "" {
		t.Errorf("with code (-), that can be named (+):\n%s", diff)
	}
	if s := FileSystemOf("reiserfs"); s.Name != "" || s.Xattr("user.a") {
		t.Errorf("reiserfs is %q", s.Name)
	}
}

// TestRoots makes a root of each file system that can be one, and opens it as the
// table says.
func TestRoots(t *testing.T) {
	for _, s := range FileSystems() {
		if !s.Tree {
			continue
		}
		words := s.Compressions
		if len(words) == 0 {
			words = []string{""}
		}
		for _, word := range words {
			content := strings.Repeat("the same ", 5000)
			files := &tree.Tree{Entries: []tree.Entry{
				{Mode: tree.Dir | 0o755, Mtime: 5},
				{Path: "file", Mode: tree.Regular | 0o640, UID: 7, GID: 8, Mtime: 9, Size: int64(len(content)), Content: strings.NewReader(content)},
			}}
			l, err := Compose(t.Context(), Spec{
				Table: "gpt", Seed: []byte("x"), Time: 5, Spool: memorySpool,
				Partitions: []Partition{{Name: "root", FS: s.Name, Size: bytesize.Partition{Fit: true}, Compression: word, Tree: files}},
			})
			if err != nil {
				t.Fatal(err)
			}
			p := l.Partitions[0]
			m := &section{image.Bytes(readAll(t, l.Image, p.Start, p.Size)), p.Size}
			if !s.Claims(m) {
				t.Errorf("%s is not known by its magic", s.Name)
			}
			f, err := s.Open(m, m.size)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Tree()
			if err != nil || f.Kind() != s.Name || f.ID() != p.UUID || len(f.Check(t.Context())) > 0 {
				t.Errorf("%s: %v, kind %s, UUID %q of %q, %v", s.Name, err, f.Kind(), f.ID(), p.UUID, f.Check(t.Context()))
			}
			e, err := got.Lookup("file")
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, len(content))
			if _, err := e.Content.ReadAt(b, 0); err != nil && e.Size != int64(len(b)) || string(b) != content || e.UID != 7 || e.Mode != tree.Regular|0o640 {
				t.Errorf("%s %s: %v, %+v", s.Name, word, err, e)
			}
		}
	}
}

func readAll(t *testing.T, m *image.Image, off, n int64) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := m.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	return b
}

// memory is scratch space.
type memory struct{ b []byte }

func memorySpool() (Spool, error) { return &memory{}, nil }

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if n := off + int64(len(p)) - int64(len(m.b)); n > 0 {
		m.b = append(m.b, make([]byte, n)...)
	}
	return copy(m.b[off:], p), nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m.b).ReadAt(p, off) }

// TestFormatTable requires code for each format, and no duplicates.
func TestFormatTable(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range formats() {
		for _, name := range append([]string{string(c.Format), c.alias}, c.endings...) {
			if name != "" && seen[name] {
				t.Errorf("%q is there twice", name)
			}
			seen[name] = true
		}
		if c.sink == nil && c.stream == nil {
			t.Errorf("%s is not written", c.Format)
		}
		if c.second != nil && c.finish == nil {
			t.Errorf("%s has a second file that is not written", c.Format)
		}
		if c.is != nil && c.open == nil || c.magic.Text != "" && c.open == nil && c.openFile == nil {
			t.Errorf("%s is recognised, and not opened", c.Format)
		}
		if c.packer != nil && (c.plain || c.qemu != "") {
			t.Errorf("%s is compressed, and as large as what is on it", c.Format)
		}
	}
}
