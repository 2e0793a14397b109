// SPDX-License-Identifier: MPL-2.0

package deflate

import (
	"bytes"
	"compress/flate"
	stdadler "hash/adler32"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/disktest"
)

// grains are cases that stress one part of the compressor each.
func grains() map[string][]byte {
	fill := func(f func(i int) byte) []byte {
		b := make([]byte, BlockSize)
		for i := range b {
			b[i] = f(i)
		}
		return b
	}
	r := rand.New(rand.NewPCG(1, 1))
	sparse := make([]byte, BlockSize)
	for range 40 {
		sparse[r.IntN(BlockSize)] = byte(r.Uint32())
	}
	far := disktest.Random(3, BlockSize)
	copy(far[32768:], far[:32768]) // all at the largest distance
	tooFar := disktest.Random(4, BlockSize)
	copy(tooFar[32769:], tooFar[:32767])
	return map[string][]byte{
		"zeros": make([]byte, BlockSize), "one value": bytes.Repeat([]byte{7}, BlockSize), "two values": fill(func(i int) byte { return byte(i / 40000) }),
		"random": disktest.Random(1, BlockSize), "text": disktest.Text(1, BlockSize), "sparse": sparse, "far": far, "too far": tooFar,
		"counter": fill(func(i int) byte { return byte(i) }), "words": fill(func(i int) byte { return byte(i >> (i % 4 * 4)) }),
		"deep tree": fill(func(int) byte { // counts like Fibonacci's numbers
			n := 0
			for r.IntN(100) < 62 && n < 255 {
				n++
			}
			return byte(n)
		}),
		"half random": append(disktest.Random(2, BlockSize/2), make([]byte, BlockSize/2)...),
		"end matches": append(append(disktest.Random(5, 1000), make([]byte, BlockSize-2000)...), disktest.Random(5, 1000)...),
	}
}

func checkDeflate(t *testing.T, d *deflater, grain []byte) []byte {
	t.Helper()
	b := d.deflate([]byte("before"), grain)
	r := flate.NewReader(bytes.NewReader(b[6:]))
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, grain) || string(b[:6]) != "before" {
		t.Fatalf("inflates to %d bytes, equal %v, %v", len(got), bytes.Equal(got, grain), err)
	}
	if len(b) > 6+BlockSize+10 {
		t.Errorf("%d bytes for a grain", len(b)-6)
	}
	return b[6:]
}

func levels() []level {
	return []level{{nice: 32, reach: maxDistance}, {nice: 32, lazy: 8, reach: maxDistance}, {nice: 258, lazy: 258, reach: maxDistance}, {nice: 32, lazy: 8, reach: 4096}}
}

func TestDeflate(t *testing.T) {
	for _, l := range levels() {
		d := newDeflater(l)
		for name, grain := range grains() {
			t.Run(name, func(t *testing.T) {
				b := checkDeflate(t, d, grain)
				if again := checkDeflate(t, newDeflater(l), grain); !bytes.Equal(b, again) {
					t.Error("a used compressor gives other bytes than a new one")
				}
				limits := map[string]int{"zeros": 200, "one value": 200, "text": 44000, "far": 42000, "sparse": 500, "half random": 33500}
				if name == "far" && l.reach < maxDistance {
					delete(limits, name)
				}
				if most, ok := limits[name]; ok && len(b) > most {
					t.Errorf("%d bytes, want at most %d", len(b), most)
				}
			})
		}
	}
}

// FuzzDeflate builds a grain from pieces of the input, so that few bytes determine
// all kinds of matches.
func FuzzDeflate(f *testing.F) {
	f.Add([]byte("abcd"), uint64(1))
	f.Add(disktest.Random(1, 3000), uint64(2))
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		if len(in) == 0 {
			return
		}
		r := rand.New(rand.NewPCG(seed, 3))
		grain := make([]byte, 0, 2*BlockSize)
		for len(grain) < BlockSize {
			switch at := r.IntN(len(in)); r.IntN(4) {
			case 0:
				grain = append(grain, in[at:at+r.IntN(len(in)-at)]...)
			case 1:
				grain = append(grain, byte(r.Uint32()))
			case 2:
				grain = append(grain, bytes.Repeat(in[at:at+1], r.IntN(600))...)
			case 3:
				if n := len(grain); n > 0 {
					from := r.IntN(n)
					grain = append(grain, grain[from:min(n, from+r.IntN(400))]...)
				}
			}
		}
		for _, l := range levels() {
			checkDeflate(t, newDeflater(l), grain[:BlockSize])
		}
	})
}

// TestCodeLengths checks Kraft's equation and the limit for counts that require
// deep trees.
func TestCodeLengths(t *testing.T) {
	var h codeBuilder
	r := rand.New(rand.NewPCG(5, 5))
	for n := 2; n <= litSymbols; n++ {
		counts, lens := make([]uint32, n), make([]uint8, n)
		for i := range counts {
			counts[i] = 1 << min(i%17, 16)
			if n%3 == 0 {
				counts[i] = r.Uint32N(1 << r.Uint32N(17))
			}
		}
		limit := maxCodeBits
		if n <= clenSymbols {
			limit = maxClenBits
		}
		h.lengths(counts, lens, limit)
		sum, used := 0, 0
		for i, l := range lens {
			if l == 0 {
				continue
			}
			used++
			if int(l) > limit {
				t.Fatalf("%d symbols: length %d", n, l)
			}
			sum += 1 << (limit - int(l))
			for j := range lens {
				if lens[j] > 0 && counts[j] > counts[i] && lens[j] > l {
					t.Fatalf("%d symbols: the more frequent has the longer code", n)
				}
			}
		}
		if sum != 1<<limit || used < 2 {
			t.Fatalf("%d symbols: Kraft's sum is %d of %d", n, sum, 1<<limit)
		}
	}
}

func TestAdler32(t *testing.T) {
	all := bytes.Repeat([]byte{0xFF}, BlockSize)
	for n := 0; n <= BlockSize; n = n*2 + 8 {
		for _, b := range [][]byte{all[:n], disktest.Random(6, n), disktest.Text(7, n)} {
			if got, want := Adler32(b), stdadler.Checksum(b); got != want {
				t.Errorf("%d bytes: %08x, want %08x", n, got, want)
			}
		}
	}
	if got, want := Adler32(all), stdadler.Checksum(all); got != want {
		t.Errorf("%08x, want %08x", got, want)
	}
}

func BenchmarkAdler32(b *testing.B) {
	grain := disktest.Random(1, BlockSize)
	b.SetBytes(BlockSize)
	for b.Loop() {
		Adler32(grain)
	}
}
