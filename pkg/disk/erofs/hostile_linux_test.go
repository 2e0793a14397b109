// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/disktest"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// counter counts the bytes that are read.
type counter struct {
	r io.ReaderAt
	n int64
	// at is called when more than after bytes were read.
	after int64
	at    func()
}

func (c *counter) ReadAt(p []byte, off int64) (int, error) {
	if c.n += int64(len(p)); c.at != nil && c.n > c.after {
		c.at()
	}
	return c.r.ReadAt(p, off)
}

// TestSharedOnce gives a file with many names the same large shared attribute 255
// times, of a supported kind and of one that is skipped.
func TestSharedOnce(t *testing.T) {
	const count, root = 50, 4096
	entries := []tree.Entry{disktest.Regular("a", "")}
	for i := range count {
		entries = append(entries, tree.Entry{Path: fmt.Sprintf("b%03d", i), Hardlink: "a"})
	}
	b, err := os.ReadFile(build(t, disktest.Sorted(entries...), Options{}))
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
		w := f.walk(t.Context())
		if kind == 5 && (w.Err != nil || len(w.Found) != count+2) {
			t.Errorf("type %d: %d entries, %v", kind, len(w.Found), w.Err)
		}
		if kind == 1 && w.Err == nil {
			t.Errorf("type %d: no error", kind)
		}
		if r.n > 200<<10 {
			t.Errorf("type %d: %d bytes were read", kind, r.n)
		}
		if w.Cost() < 1<<16 {
			t.Errorf("type %d: it costs %d bytes", kind, w.Cost())
		}
	}
}

// TestInterrupt ends the context within a directory.
func TestInterrupt(t *testing.T) {
	entries := []tree.Entry{}
	for i := range 500 {
		entries = append(entries, disktest.Regular(fmt.Sprintf("f%03d", i), "x"))
	}
	b, err := os.ReadFile(build(t, disktest.Sorted(entries...), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const after = 20000
	r := &counter{r: bytes.NewReader(b), after: after, at: cancel}
	f, err := Open(r, int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if p := f.Check(ctx); p != nil {
		t.Errorf("problems %v of a check that did not end", p)
	}
	if r.n > after+blockSize {
		t.Errorf("%d bytes were read, %d of them before it was interrupted", r.n, after)
	}
	if w := f.walk(ctx); !errors.Is(w.Err, context.Canceled) {
		t.Errorf("an interrupted walk: %v", w.Err)
	}
}

// TestEmptyBlocks has many directories with the same large block.
func TestEmptyBlocks(t *testing.T) {
	const log, count, each = 16, 2000, 3000
	var blocks []byte
	for i := 1; i < count; i += each {
		var names []dirent
		if i == 1 {
			names = append(names, dirent{name: "."}, dirent{name: ".."})
		}
		for k := i; k < min(i+each, count); k++ {
			names = append(names, dirent{name: fmt.Sprintf("d%05d", k), nid: uint64(k)})
		}
		blocks = append(blocks, rawBlock(log, names...)...)
	}
	dirs := []rawDir{{0, len(blocks)}}
	for range count - 1 {
		dirs = append(dirs, rawDir{len(blocks) >> log, 1 << log})
	}
	blocks = append(blocks, rawBlock(log, dirent{name: "."}, dirent{name: ".."})...)
	f := rawFS(t, log, dirs, blocks)
	if _, err := f.Tree(); err == nil || !strings.Contains(err.Error(), "directories are larger than") {
		t.Errorf("%d directories of %d bytes: %v", count, 1<<log, err)
	}
}

// TestDeep nests directories with long names, whose paths together are much larger
// than the file system.
func TestDeep(t *testing.T) {
	const log, count = 9, 2800
	var dirs []rawDir
	var blocks []byte
	for i := range count {
		names := []dirent{{name: ".", nid: uint64(i)}, {name: "..", nid: uint64(max(i-1, 0))}}
		if i < count-1 {
			names = append(names, dirent{name: strings.Repeat("n", maxName), nid: uint64(i + 1)})
		}
		blocks = append(blocks, rawBlock(log, names...)...)
		dirs = append(dirs, rawDir{i, 1 << log})
	}
	f := rawFS(t, log, dirs, blocks)
	w := f.walk(t.Context())
	if w.Err == nil || !strings.Contains(w.Err.Error(), "too large") || len(w.Err.Error()) > 2*rofs.MaxWhere {
		t.Errorf("%d nested directories: %.300v", count, w.Err)
	}
	bytes := 0
	for _, n := range w.Found {
		bytes += len(n.Entry.Path)
	}
	if bytes > 256<<20 {
		t.Errorf("%d bytes of paths are in memory", bytes)
	}
	bytes = 0
	for _, p := range f.Check(t.Context()) { // wrong numbers of links
		bytes += len(p.Where)
	}
	if bytes > 2*rofs.MaxWhere*damage.Max {
		t.Errorf("%d bytes of paths are in problems", bytes)
	}
}
