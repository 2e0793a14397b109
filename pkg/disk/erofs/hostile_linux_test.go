// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package erofs

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// counter counts the bytes that are read.
type counter struct {
	r io.ReaderAt
	n int64
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	c.n += int64(len(p))
	return c.r.ReadAt(p, off)
}

// TestSharedOnce gives a file with many names 255 times the same large shared
// attribute, of a kind that is read and of one that is passed over.
func TestSharedOnce(t *testing.T) {
	const count, root = 50, 4096
	entries := []tree.Entry{regular("a", "")}
	for i := range count {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("b%03d", i), Hardlink: "a"})
	}
	b, err := os.ReadFile(build(t, sorted(entries...), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{1, 5} { // user., lustre.
		nid := le.Uint64(b[root+64+24:]) // behind . and ..: the first name
		img := append(bytes.Clone(b), make([]byte, 32<<12)...)
		at := len(b)
		copy(img[at:], []byte{1, kind, 0xff, 0xff, 'a'})
		file := at + 17<<12
		copy(img[file:], img[nid*nidSize:][:extendedSize])
		le.PutUint16(img[file+2:], 256) // a header and 255 numbers, all 0
		img[file+extendedSize+4] = 255
		for i := range count + 1 {
			le.PutUint64(img[root+64+24+12*i:], uint64(file)/nidSize)
		}
		le.PutUint32(img[superOffset+36:], uint32(len(img)/blockSize))
		le.PutUint32(img[superOffset+44:], uint32(at/blockSize))
		r := &counter{r: bytes.NewReader(img)}
		f, err := Open(r, int64(len(img)))
		if err != nil {
			t.Fatal(err)
		}
		w := f.walk()
		if kind == 5 && (w.err != nil || len(w.found) != count+2) {
			t.Errorf("type %d: %d entries, %v", kind, len(w.found), w.err)
		}
		if kind == 1 && w.err == nil {
			t.Errorf("type %d: no error", kind)
		}
		if r.n > 200<<10 {
			t.Errorf("type %d: %d bytes were read", kind, r.n)
		}
		if w.cost < 1<<16 {
			t.Errorf("type %d: it costs %d bytes", kind, w.cost)
		}
	}
}
