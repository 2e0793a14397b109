// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"io"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// FuzzRead changes metadata of a small file system, with four bytes of input for
// each byte: offset in a metadata block, block, value. Nothing may panic, and a
// file system without problems must be readable.
func FuzzRead(f *testing.F) {
	entries := append(numbered("big", "name-%d", 400, file("", "x")), dir("big"), dir("a"), file("a/file", "content"),
		tree.Entry{Path: "a/link", Mode: tree.Symlink | 0o777, Link: "to/somewhere"},
		tree.Entry{Path: "a/hard", Hardlink: "a/file"},
		tree.Entry{Path: "a/attr", Mode: tree.Regular | 0o600, Xattrs: []tree.Xattr{{Name: "user.a", Value: make([]byte, 20)}, {Name: "user.b", Value: make([]byte, 900)}}},
		holes("a/holes", 400))
	l, err := plan(sorted(entries...), testOptions)
	if err != nil {
		f.Fatal(err)
	}
	m, err := Build(sorted(entries...), testOptions)
	if err != nil {
		f.Fatal(err)
	}
	good := make([]byte, m.Size())
	if _, err := m.ReadAt(good, 0); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{0x18, 0x04, 0, 6}) // block size
	f.Add([]byte{0x22, 0x05, 4, 0}) // the root, with blocks of pointers
	f.Add([]byte{0x28, 0x0c, 5, 2, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, edits []byte) {
		b := append([]byte(nil), good...)
		for ; len(edits) >= 4; edits = edits[4:] {
			r := l.regions[int(edits[2])%len(l.regions)]
			at := int64(r.start)*blockSize + int64(le.Uint16(edits))%(int64(r.n)*blockSize)
			b[at] = edits[3]
		}
		fs, err := Open(image.Bytes(b), int64(len(b)))
		if err != nil {
			return
		}
		problems := fs.Check(t.Context())
		tr, err := fs.Tree()
		if err != nil && len(problems) == 0 {
			t.Errorf("no problem, and %v", err)
		}
		readAll(t, tr, len(problems) == 0)
	})
}

// readAll reads the start of all files and looks up every path.
func readAll(t *testing.T, tr *tree.Tree, good bool) {
	buf := make([]byte, 3*blockSize)
	for i := range tr.Entries {
		e := &tr.Entries[i]
		if i > 0 && tree.Compare(tr.Entries[i-1].Path, e.Path) >= 0 {
			t.Fatalf("/%s is not after /%s", e.Path, tr.Entries[i-1].Path)
		}
		if e.Content == nil {
			continue
		}
		if _, err := e.Content.ReadAt(buf, 0); err != nil && err != io.EOF && good {
			t.Errorf("/%s: no problem, and %v", e.Path, err)
		}
		e.Content.(*data).NextExtent(1)
	}
}
