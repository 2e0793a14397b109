// SPDX-License-Identifier: MPL-2.0

package vmdk

import (
	"encoding/binary"

	"github.com/carosio/carosbuild/pkg/disk/deflate"
	"github.com/klauspost/compress/flate"
)

// DefaultLevel is the level of a zero Options.Level.
const DefaultLevel = deflate.DefaultLevel

// newEncoder returns the compressor for a level. Up to 6 it is our own, beyond that
// klauspost's, which is slower and compresses better.
func newEncoder(level int) encoder {
	switch {
	case level <= 0:
		return newEncoder(DefaultLevel)
	case level <= 6:
		return &fastEncoder{deflate.New(level, deflate.MaxDistance)}
	}
	w, err := flate.NewWriter(nil, min(level, 9))
	if err != nil {
		panic(err) // the level is in the valid range
	}
	return &tightEncoder{w: w}
}

// fastEncoder compresses grains with our own compressor.
type fastEncoder struct {
	deflate func(dst, block []byte) []byte
}

func (e *fastEncoder) encode(dst, grain []byte, lba int64) ([]byte, error) {
	start := len(dst)
	return endGrain(e.deflate(beginGrain(dst, lba), grain), start, grain), nil
}

// tightEncoder compresses grains with klauspost's flate.
type tightEncoder struct {
	w   *flate.Writer
	out sliceWriter
}

func (e *tightEncoder) encode(dst, grain []byte, lba int64) ([]byte, error) {
	start := len(dst)
	e.out.b = beginGrain(dst, lba)
	e.w.Reset(&e.out)
	if _, err := e.w.Write(grain); err != nil {
		return nil, err
	}
	if err := e.w.Close(); err != nil {
		return nil, err
	}
	return endGrain(e.out.b, start, grain), nil
}

// sliceWriter appends to a slice.
type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// beginGrain appends the grain's header, without its size, and the zlib header (RFC
// 1950).
func beginGrain(dst []byte, lba int64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(lba))
	return append(dst, 0, 0, 0, 0, 0x78, 0x9C)
}

// endGrain appends zlib's checksum and the padding to whole sectors, and fills in
// the size of the grain that starts at start.
func endGrain(dst []byte, start int, grain []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, deflate.Adler32(grain))
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-grainHeader))
	if tail := (len(dst) - start) % sectorSize; tail > 0 {
		dst = append(dst, make([]byte, sectorSize-tail)...)
	}
	return dst
}
