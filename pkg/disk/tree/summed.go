// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"hash/crc32"
	"io"
	"sync"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Summed makes reading a file's content fail if its CRC-32C differs from the given
// one: the call of ReadAt that reads the last missing byte returns the error that
// bad makes from its path. Pieces may be read in any order, concurrently and more
// than once, and holes need not be read. A file that is all holes is checked at
// once.
func Summed(e *Entry, crc uint32, bad func(path string) error) error {
	if e.Data != nil && len(e.Data) == 0 && zeroSum(e.Size) != crc {
		return bad(e.Path)
	}
	e.Content = &summed{r: e.Content, path: e.Path, size: e.Size, data: e.Data, want: crc, bad: bad}
	return nil
}

// summed combines the CRC of a content while its pieces are read. A CRC is linear:
// that of the whole is the sum (exclusive or) of those of its pieces, each
// multiplied by x to the power of the number of bits after it, and zeros add
// nothing.
type summed struct {
	r    io.ReaderAt
	path string
	size int64
	data []Range // nil means all of it
	bad  func(path string) error
	want uint32

	mu     sync.Mutex
	pieces *pieces // once a part has been read
	failed bool    // no more of it is returned
}

// pieces are the parts of a content that have been read.
type pieces struct {
	gaps []Range // parts that have not been read
	left int64   // number of bytes that have not been added to sum
	sum  uint32
}

// ReadAt implements io.ReaderAt.
func (s *summed) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	if n > 0 && off >= 0 {
		if e := s.add(p[:n], off); e != nil {
			return 0, e // an error returned with all bytes may be ignored as if it were EOF
		}
	}
	return n, err
}

func (s *summed) add(p []byte, off int64) error {
	if off == 0 && int64(len(p)) == s.size { // most files are read at once
		if crc32.Checksum(p, castagnoli) != s.want {
			return s.fail()
		}
		return nil
	}
	var sum uint32
	var n int64
	for _, r := range s.claim(off, int64(len(p))) {
		piece := crc32.Update(^uint32(0), castagnoli, p[r.Off-off:r.Off-off+r.Len])
		sum ^= shift(^piece, s.size-r.Off-r.Len)
		n += r.Len
	}
	s.mu.Lock()
	s.pieces.sum ^= sum
	s.pieces.left -= n
	wrong := s.failed || n > 0 && s.pieces.left == 0 && ^(s.pieces.sum^shift(^uint32(0), s.size)) != s.want
	s.mu.Unlock()
	if wrong {
		return s.fail()
	}
	return nil
}

// fail is the error for a wrong content from now on: a caller that has ignored it
// once must not get the rest.
func (s *summed) fail() error {
	s.mu.Lock()
	s.failed = true
	s.mu.Unlock()
	return s.bad(s.path)
}

// claim removes from a piece what has already been read.
func (s *summed) claim(off, n int64) []Range {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pieces == nil {
		s.pieces = &pieces{gaps: []Range{{Len: s.size}}, left: s.size}
		if s.data != nil {
			s.pieces = &pieces{gaps: s.data} // which cutOut does not change
			for _, r := range s.data {
				s.pieces.left += r.Len
			}
		}
	}
	var got []Range
	for _, g := range s.pieces.gaps {
		if from, to := max(g.Off, off), min(g.Off+g.Len, off+n); from < to {
			got = append(got, Range{from, to - from})
		}
	}
	if got != nil {
		s.pieces.gaps = cutOut(s.pieces.gaps, off, off+n)
	}
	return got
}

// cutOut removes the part between two offsets from ascending ranges.
func cutOut(ranges []Range, from, to int64) []Range {
	out := make([]Range, 0, len(ranges)+1)
	for _, r := range ranges {
		if n := min(r.Off+r.Len, from) - r.Off; n > 0 {
			out = append(out, Range{r.Off, n})
		}
		if at := max(r.Off, to); at < r.Off+r.Len {
			out = append(out, Range{at, r.Off + r.Len - at})
		}
	}
	return out
}

// zeroSum is the CRC-32C of n zero bytes.
func zeroSum(n int64) uint32 { return ^shift(^uint32(0), n) }

// Polynomials over GF(2) modulo that of CRC-32C, with the highest power in the
// lowest bit, as in the register of a CRC.
const xPower0 = 1 << 31

// shift multiplies a polynomial by x to the power of 8n: the effect of n zero bytes
// on a CRC's register.
func shift(a uint32, n int64) uint32 {
	for k := 3; n != 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			a = multiply(a, powers()[k])
		}
	}
	return a
}

// powers are x to the power of 2 to the power of the index.
var powers = sync.OnceValue(func() *[67]uint32 {
	p := &[67]uint32{xPower0 >> 1}
	for i := 1; i < len(p); i++ {
		p[i] = multiply(p[i-1], p[i-1])
	}
	return p
})

func multiply(a, b uint32) uint32 {
	var out uint32
	for ; a != 0; a <<= 1 {
		if a&xPower0 != 0 {
			out ^= b
		}
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return out
}
