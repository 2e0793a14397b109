// SPDX-License-Identifier: MPL-2.0

package results

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// each is what Each tells of a root: path, size, kind, and which names are of one file.
func each(t *testing.T, r *Root) []string {
	t.Helper()
	var out []string
	ids := map[FileID]int{}
	err := r.Each(t.Context(), func(e Entry) error {
		if _, ok := ids[e.ID]; !ok {
			ids[e.ID] = len(ids)
		}
		size := e.Size
		if !e.Regular {
			size = 0
		}
		out = append(out, fmt.Sprintf("%s %d %t #%d", e.Path, size, e.Regular, ids[e.ID]))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEach: a directory and a tree of the same files are told the same of. Links are not
// followed, and a pipe is not opened.
func TestEach(t *testing.T) {
	dir := t.TempDir()
	for _, err := range []error{
		os.MkdirAll(filepath.Join(dir, "a/b"), 0o755),
		os.WriteFile(filepath.Join(dir, "a/file"), []byte("12345"), 0o600),
		os.Link(filepath.Join(dir, "a/file"), filepath.Join(dir, "a/same")),
		os.Symlink("/etc/passwd", filepath.Join(dir, "a/link")),
		unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"/a/file 5 true #0", "/a/link 0 false #1", "/a/same 5 true #0", "/pipe 0 false #2"}
	root, err := OpenRoot(dir, "x")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if got := each(t, root); !cmp.Equal(got, want) {
		t.Errorf("a directory: got %q, want %q", got, want)
	}
	if names, err := root.Names("/a"); err != nil || !cmp.Equal(names, []string{"b", "file", "link", "same"}) {
		t.Errorf("names %q, %v", names, err)
	}
	b := tree.NewBuilder(0)
	for _, e := range []tree.Entry{
		{Path: "a/b", Mode: tree.Dir | 0o755},
		{Path: "a/file", Mode: tree.Regular | 0o600, Size: 5, Content: image.Bytes("12345")},
		{Path: "a/same", Hardlink: "a/file"},
		{Path: "a/link", Mode: tree.Symlink | 0o777, Link: "/etc/passwd"},
		{Path: "pipe", Mode: tree.FIFO | 0o600},
	} {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	image := TreeRoot(tr, "x", func() error { return nil })
	if got := each(t, image); !cmp.Equal(got, want) {
		t.Errorf("a tree: got %q, want %q", got, want)
	}
}
