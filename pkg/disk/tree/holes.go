// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"bytes"
	"io"
)

// HoleSize is the granularity of Data ranges in bytes: an aligned block of this
// size is a hole if all of it is zero.
const HoleSize = 64 << 10

var zeros [HoleSize]byte

// dataRanges are the blocks of a content that are not zero; nil means all of them.
// skip skips known holes, to a multiple of HoleSize or to size.
func dataRanges(r io.ReaderAt, size int64, skip func(off int64) int64) ([]Range, error) {
	out := []Range{}
	buf := make([]byte, HoleSize)
	holes := false
	for off := int64(0); off < size; {
		n := min(HoleSize, size-off)
		zero, err := isZero(r, buf[:n], off)
		if err != nil {
			return nil, err
		}
		if zero {
			holes = true
			off = skip(off + n)
			continue
		}
		if k := len(out); k > 0 && out[k-1].Off+out[k-1].Len == off {
			out[k-1].Len += n
		} else {
			out = append(out, Range{off, n})
		}
		off += n
	}
	if !holes {
		return nil, nil
	}
	return out, nil
}

// isZero reads the block at off, beginning with a small part.
func isZero(r io.ReaderAt, b []byte, off int64) (bool, error) {
	for _, k := range []int{min(512, len(b)), len(b)} {
		if n, err := r.ReadAt(b[:k], off); n < k {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return false, err
		}
		if !bytes.Equal(b[:k], zeros[:k]) {
			return false, nil
		}
	}
	return true, nil
}
