// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"io"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// FuzzRead changes bytes of the metadata of a small file system: place, in
// units of 2, and value. Nothing may panic, and whatever has no problem must be
// readable.
func FuzzRead(f *testing.F) {
	m, err := Build(mk(foreignFiles), Options{Size: 34 << 20, Label: "FUZZ"})
	if err != nil {
		f.Fatal(err)
	}
	good := make([]byte, m.Size())
	if _, err := m.ReadAt(good, 0); err != nil {
		f.Fatal(err)
	}
	fs, err := Open(m, m.Size())
	if err != nil {
		f.Fatal(err)
	}
	// Boot sectors, the start of each FAT, and the first clusters.
	areas := [][2]int64{{0, 4096}, {fs.fatAt, 4096}, {fs.fatAt + fs.fatSize, 4096}, {fs.dataAt, 64 << 10}}
	f.Add([]byte{0, 11, 0, 1})
	f.Add([]byte{1, 8, 0, 3, 2, 8, 0, 3})
	f.Add([]byte{3, 0, 1, 0xE5})
	f.Fuzz(func(t *testing.T, edits []byte) {
		type saved struct {
			at int64
			c  byte
		}
		var undo []saved
		for ; len(edits) >= 4; edits = edits[4:] {
			a := areas[edits[0]%4]
			at := a[0] + (int64(edits[1])|int64(edits[2])<<8)%a[1]
			undo = append(undo, saved{at, good[at]})
			good[at] = edits[3]
		}
		defer func() {
			for i := len(undo) - 1; i >= 0; i-- {
				good[undo[i].at] = undo[i].c
			}
		}()
		fs, err := Open(image.Bytes(good), int64(len(good)))
		if err != nil {
			return
		}
		problems := fs.Check(t.Context())
		tr, err := fs.Tree()
		if err != nil && len(problems) == 0 {
			t.Errorf("no problem, and %v", err)
		}
		buf := make([]byte, 4096)
		for i := range tr.Entries {
			e := &tr.Entries[i]
			if i > 0 && tree.Compare(tr.Entries[i-1].Path, e.Path) >= 0 {
				t.Fatalf("/%s is not after /%s", e.Path, tr.Entries[i-1].Path)
			}
			if e.Content == nil {
				continue
			}
			if _, err := e.Content.ReadAt(buf, 0); err != nil && err != io.EOF && len(problems) == 0 {
				t.Errorf("/%s: no problem, and %v", e.Path, err)
			}
		}
	})
}
