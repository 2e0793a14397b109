// SPDX-License-Identifier: MPL-2.0

package content

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/erofs"
	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/squashfs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// FuzzTree expects an error or a tree whose contents can all be read, whatever the
// bytes are.
func FuzzTree(f *testing.F) {
	small := &tree.Tree{Entries: []tree.Entry{
		{Mode: tree.Dir | 0o755},
		{Path: "a", Mode: tree.Regular | 0o644, Size: 7, Content: image.Bytes("content")},
		{Path: "b", Hardlink: "a"},
		{Path: "l", Mode: tree.Symlink | 0o777, Link: "a"},
	}}
	spool, err := os.Create(filepath.Join(f.TempDir(), "spool"))
	if err != nil {
		f.Fatal(err)
	}
	defer spool.Close()
	sqfs, err := squashfs.Build(f.Context(), small, spool, squashfs.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytesOf(f, sqfs))
	size, err := ext4.MinSize(small, ext4.Options{})
	if err != nil {
		f.Fatal(err)
	}
	ext, err := ext4.Build(small, ext4.Options{Size: size})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytesOf(f, ext))
	ero, err := erofs.Build(small, erofs.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bytesOf(f, ero))
	files := sample()[:5]
	f.Add(cpioOf(files))
	f.Add(archiveOf(f, files))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(t, b, Options{})
		if (got == nil) == (err == nil) {
			t.Fatalf("tree %v, error %v", got, err)
		}
		if err != nil {
			return
		}
		for _, e := range got.Entries {
			if e.Size == 0 {
				continue
			}
			if n, err := io.Copy(io.Discard, io.NewSectionReader(e.Content, 0, e.Size)); err != nil || n != e.Size {
				t.Errorf("%s: %d of %d bytes, %v", e.Path, n, e.Size, err)
			}
		}
	})
}
