// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"bytes"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

var errBad = errors.New("bad")

// inPieces reads all data of an entry in random pieces, several concurrently and
// some twice, and returns the first error.
func inPieces(rnd *rand.Rand, e *Entry) error {
	var pieces []Range
	for _, r := range e.Ranges() {
		for r.Len > 0 {
			n := min(r.Len, 1+rnd.Int64N(9000))
			pieces = append(pieces, Range{r.Off, n})
			if rnd.IntN(4) == 0 {
				from := max(0, r.Off-rnd.Int64N(500))
				pieces = append(pieces, Range{from, r.Off + n - from})
			}
			r.Off, r.Len = r.Off+n, r.Len-n
		}
	}
	rnd.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	errs := make([]error, len(pieces))
	var wg sync.WaitGroup
	for k := range 3 {
		wg.Go(func() {
			for i := k; i < len(pieces); i += 3 {
				_, errs[i] = e.Content.ReadAt(make([]byte, pieces[i].Len), pieces[i].Off)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// However a content is read, reading fails exactly if the content is wrong.
func TestSummed(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		content := make([]byte, 1+rnd.IntN(60000))
		for i := range content {
			content[i] = byte(rnd.Uint32())
		}
		e := Entry{Size: int64(len(content))}
		if n := len(content); n > 3000 && rnd.IntN(2) == 0 {
			a, b := 100+rnd.IntN(1000), 1200+rnd.IntN(1000)
			clear(content[a:b])
			e.Data = []Range{{0, int64(a)}, {int64(b), int64(n - b)}}
		}
		crc := crc32.Checksum(content, castagnoli)
		for _, damaged := range []bool{false, true} {
			stored := slices.Clone(content)
			if damaged {
				r := e.Ranges()[rnd.IntN(len(e.Ranges()))]
				stored[r.Off+rnd.Int64N(r.Len)] ^= 1 << rnd.IntN(8)
			}
			e.Content = bytes.NewReader(stored)
			if err := Summed(&e, crc, func(string) error { return errBad }); err != nil {
				t.Fatal(err)
			}
			if rnd.IntN(3) > 0 {
				if err := inPieces(rnd, &e); errors.Is(err, errBad) != damaged {
					t.Fatalf("%d bytes in pieces, damaged: %v, error: %v", e.Size, damaged, err)
				}
			}
			n, err := e.Content.ReadAt(make([]byte, e.Size), 0)
			if err != nil && int64(n) == e.Size {
				t.Fatal("an error beside all bytes is not seen by everybody")
			}
			if errors.Is(err, errBad) != damaged {
				t.Fatalf("%d bytes at once, damaged: %v, error: %v", e.Size, damaged, err)
			}
		}
	}
}

// A writer of disks never reads a file that has become all zeros.
func TestSummedHoles(t *testing.T) {
	zeros := make([]byte, 3*HoleSize+5)
	for _, tt := range []struct {
		crc  uint32
		want error
	}{{crc32.Checksum(zeros, castagnoli), nil}, {1, errBad}} {
		e := Entry{Size: int64(len(zeros)), Data: []Range{}, Content: bytes.NewReader(zeros)}
		if err := Summed(&e, tt.crc, func(string) error { return errBad }); err != tt.want {
			t.Errorf("sum %x: error %v, want %v", tt.crc, err, tt.want)
		}
	}
}

func BenchmarkSummed(b *testing.B) {
	content := make([]byte, 1<<20)
	e := Entry{Size: 64 << 20, Content: repeated(content)}
	_ = Summed(&e, 0, func(string) error { return nil })
	p := make([]byte, 64<<10)
	b.SetBytes(int64(len(p)))
	for i := range b.N {
		_, _ = e.Content.ReadAt(p, int64(i%1024)<<16)
	}
}

type repeated []byte

func (r repeated) ReadAt(p []byte, off int64) (int, error) { return copy(p, r), nil }

// A caller that has ignored the error does not get the wrong content afterwards.
func TestSummedStaysBad(t *testing.T) {
	for _, first := range []int{1000, 400} { // at once, and in pieces
		content := bytes.Repeat([]byte("x"), 1000)
		e := Entry{Size: 1000, Content: bytes.NewReader(content)}
		if err := Summed(&e, crc32.Checksum(content, castagnoli)^1, func(string) error { return errBad }); err != nil {
			t.Fatal(err)
		}
		failed := 0
		for at := 0; at < 1000; at += first {
			if _, err := e.Content.ReadAt(make([]byte, min(first, 1000-at)), int64(at)); errors.Is(err, errBad) {
				failed++
			}
		}
		if failed != 1 {
			t.Errorf("%d bytes at a time: %d errors, want 1", first, failed)
		}
		for _, at := range []int64{0, 300, 999} {
			if _, err := e.Content.ReadAt(make([]byte, 1), at); !errors.Is(err, errBad) {
				t.Errorf("afterwards, at %d: %v", at, err)
			}
		}
	}
}
