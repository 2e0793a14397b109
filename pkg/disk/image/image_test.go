// SPDX-License-Identifier: MPL-2.0

package image

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
)

// Random extents, read at random offsets, compared with a plain array.
func TestReadAt(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		want := make([]byte, 1+r.IntN(3000))
		var xs []Extent
		for at := r.IntN(50); at < len(want); at += r.IntN(200) {
			n := r.IntN(min(150, len(want)-at) + 1)
			src, skip := make([]byte, n+10), r.IntN(10)
			for i := range src {
				src[i] = byte(1 + r.IntN(255))
			}
			copy(want[at:], src[skip:skip+n])
			xs = append(xs, Extent{Off: int64(at), Len: int64(n), Src: Bytes(src), SrcOff: int64(skip)})
			at += n
		}
		r.Shuffle(len(xs), func(i, j int) { xs[i], xs[j] = xs[j], xs[i] })
		m, err := New(int64(len(want)), xs)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			off := r.IntN(len(want))
			got := bytes.Repeat([]byte{0xEE}, r.IntN(len(want)+20))
			n, err := m.ReadAt(got, int64(off))
			if wantN := min(len(got), len(want)-off); n != wantN || (n < len(got)) != (err == io.EOF) || n == len(got) && err != nil {
				t.Fatalf("read %d bytes at %d of %d: %d, %v", len(got), off, len(want), n, err)
			}
			if !bytes.Equal(got[:n], want[off:off+n]) {
				t.Fatalf("read at %d differs", off)
			}
			for i, b := range want[off:] { // what is not covered is zero
				if !m.Covered(int64(off+i), 1) && b != 0 || m.Covered(int64(off+i), 1) && m.NextExtent(int64(off+i)) != int64(off+i) {
					t.Fatalf("coverage at %d is wrong", off+i)
				}
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	b := Bytes(make([]byte, 100))
	for _, xs := range [][]Extent{
		{{Off: 0, Len: 10, Src: b}, {Off: 9, Len: 1, Src: b}},
		{{Off: -1, Len: 1, Src: b}},
		{{Off: 95, Len: 6, Src: b}},
		{{Off: 0, Len: -1, Src: b}},
		{{Off: 1 << 62, Len: 1 << 62, Src: b}},
	} {
		if _, err := New(100, xs); err == nil {
			t.Errorf("%v was taken", xs)
		}
	}
}

// A file that shrank is an error, not zeros.
func TestShortSource(t *testing.T) {
	m, err := New(100, []Extent{{Off: 10, Len: 50, Src: Bytes(make([]byte, 20))}})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := m.ReadAt(make([]byte, 100), 0); n != 30 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestSolid(t *testing.T) {
	b := Bytes("abcdefghij")
	for _, xs := range [][]Extent{nil, {{Off: 0, Len: 10, Src: b}}, {{Off: 10, Len: 10, Src: b}, {Off: 20, Len: 5, Src: b}, {Off: 90, Len: 10, Src: b}}} {
		m, err := New(100, xs)
		if err != nil {
			t.Fatal(err)
		}
		want, got := make([]byte, 100), bytes.Repeat([]byte{1}, 100)
		_, werr := m.ReadAt(want, 0)
		s := m.Solid()
		if _, err := s.ReadAt(got, 0); err != nil || werr != nil || !bytes.Equal(got, want) {
			t.Errorf("%q, want %q, %v, %v", got, want, err, werr)
		}
		for off := range int64(100) {
			if !s.Covered(off, 1) {
				t.Fatalf("a hole at %d", off)
			}
		}
	}
}
