// SPDX-License-Identifier: MPL-2.0

package cpio

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// counted counts what is read.
type counted struct {
	*bytes.Reader
	n *atomic.Int64
}

func (c counted) ReadAt(b []byte, off int64) (int, error) {
	c.n.Add(int64(len(b)))
	return c.Reader.ReadAt(b, off)
}

// readCounted expects a tree for which the archive was read not much more often
// than the passes need: two for the headers, one for the checksums, one for holes.
func readCounted(t *testing.T, b []byte) *tree.Tree {
	t.Helper()
	n := new(atomic.Int64)
	tr, err := Read(t.Context(), counted{bytes.NewReader(b), n}, int64(len(b)), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if most := 5*int64(len(b)) + 1<<20; n.Load() > most {
		t.Errorf("%d bytes were read of an archive of %d", n.Load(), len(b))
	}
	return tr
}

// TestSummedOnce has the same name many times, each time followed by the same
// content.
func TestSummedOnce(t *testing.T) {
	content := strings.Repeat("x", 1<<20)
	name := func(n, c string) member {
		var sum uint32
		for _, b := range []byte(c) {
			sum += uint32(b)
		}
		return member{name: n, mode: reg, ino: 7, links: 2, content: c, magic: magicCRC, check: sum}
	}
	t.Run("one name", func(t *testing.T) {
		all := []member{name("x", content)}
		for range 2000 {
			all = append(all, name("x", ""))
		}
		if got := lines(t, readCounted(t, archiveOf(all...))); len(got) != 2 || !strings.HasPrefix(got[1], `x 100644 0:0 @0 "xxx`) {
			t.Errorf("%q", got)
		}
	})
	t.Run("between others", func(t *testing.T) { // which stay names of the one file
		all := []member{name("x", content)}
		var want []string
		for i := range 2000 {
			y := fmt.Sprintf("y%04d", i)
			all, want = append(all, name(y, ""), name("x", "")), append(want, y+" = x")
		}
		if diff := cmp.Diff(lines(t, readCounted(t, archiveOf(all...)))[2:], want); diff != "" {
			t.Errorf("entries (-got +want):\n%.2000s", diff)
		}
	})
	t.Run("wrong", func(t *testing.T) {
		m := name("x", content)
		m.check++
		if _, err := readBytes(t, archiveOf(name("x", ""), m)); err == nil || !strings.Contains(err.Error(), "the sum of its bytes is") {
			t.Errorf("got %v", err)
		}
	})
}

// TestManyArchives has one trailer after another, with and without zeros.
func TestManyArchives(t *testing.T) {
	var end bytes.Buffer
	member{name: trailer}.put(&end)
	var all []byte
	for i := range 4000 {
		var file bytes.Buffer
		member{name: fmt.Sprintf("f%04d", i), mode: reg, content: "x"}.put(&file)
		all = slices.Concat(all, file.Bytes(), end.Bytes(), make([]byte, 4*(i%5)*(i%7)))
	}
	all = append(all, make([]byte, 200<<10)...)
	if got := lines(t, readCounted(t, all)); len(got) != 4001 || got[4000] != `f3999 100644 0:0 @0 "x"` {
		t.Errorf("%d entries, the last is %s", len(got), got[len(got)-1])
	}
	n := new(atomic.Int64)
	if _, err := Read(t.Context(), counted{bytes.NewReader(append(all, "end"...)), n}, int64(len(all)+3), 0, 1); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("follows it at byte %d", len(all))) {
		t.Errorf("something behind: %v", err)
	}
}
