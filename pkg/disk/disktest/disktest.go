// SPDX-License-Identifier: MPL-2.0

// Package disktest has what the tests of several disk formats need.
package disktest

import (
	"bytes"
	"os"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// File opens a file until the test ends, and returns its size in bytes.
func File(t testing.TB, name string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, st.Size()
}

// Same compares all extents of both disks. The second one may be larger by the rest
// of its last sector of 512 bytes.
func Same(t testing.TB, want, got pipeline.Source) {
	t.Helper()
	const step = 100000
	if size := (want.Size() + 511) / 512 * 512; got.Size() != size {
		t.Fatalf("size %d, want %d", got.Size(), size)
	}
	a, b := make([]byte, step), make([]byte, step)
	for _, s := range []pipeline.Source{want, got} {
		for off := s.NextExtent(0); off < want.Size(); off = s.NextExtent(off + step) {
			n := min(step, want.Size()-off)
			if _, err := want.ReadAt(a[:n], off); err != nil {
				t.Fatal(err)
			}
			if _, err := got.ReadAt(b[:n], off); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a[:n], b[:n]) {
				t.Fatalf("disks differ within %d+%d", off, n)
			}
		}
	}
}

// Edits are changes of a file by a fuzzer: of four bytes each, one selects the area
// (offset and length), two the offset in it, and the last is written there.
func Edits(b, edits []byte, areas [][2]int) {
	for ; len(edits) >= 4; edits = edits[4:] {
		a := areas[int(edits[0])%len(areas)]
		b[a[0]+(int(edits[1])<<8|int(edits[2]))%a[1]] = edits[3]
	}
}

// Readable reads samples of the first 64 MiB, at most step bytes apart where data
// is stored. Errors fail the test.
func Readable(t testing.TB, s pipeline.Source, step int64) {
	t.Helper()
	p := make([]byte, 70000)
	for off := s.NextExtent(0); off < min(s.Size(), 64<<20); off = s.NextExtent(off + step) {
		if _, err := s.ReadAt(p[:min(int64(len(p)), s.Size()-off)], off); err != nil {
			t.Errorf("no problem, and at %d: %v", off, err)
		}
	}
}
