// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

import (
	"encoding/binary"

	"github.com/klauspost/compress/flate"
)

// DefaultLevel is the level of a zero Options.Level: about the size that zlib's
// own default gives, at several times its speed.
const DefaultLevel = 6

// newEncoder gives the compressor of a level. Up to 6 it is our own, beyond
// it klauspost's, which is slower and packs tighter.
func newEncoder(level int) encoder {
	switch {
	case level <= 0:
		return newEncoder(DefaultLevel)
	case level <= 6:
		return &fastEncoder{newGrainDeflater(newFastLevel(level, maxDistance))}
	}
	w, err := flate.NewWriter(nil, min(level, 9))
	if err != nil {
		panic(err) // the level is within bounds
	}
	return &tightEncoder{w: w}
}

func newFastLevel(level, reach int) fastLevel {
	if level <= 3 {
		return fastLevel{nice: 16, reach: reach}
	}
	return fastLevel{nice: 32, lazy: 8, reach: reach}
}

// NewDeflate gives a function that appends the raw deflate stream (RFC 1951) of
// a block of 64 KiB to dst. Level is as in Options, and all above 6 are as 6;
// matches reach back at most 32768 bytes, or less when asked for. The function
// is not for concurrent use.
func NewDeflate(level, reach int) func(dst, block []byte) []byte {
	if level <= 0 {
		level = DefaultLevel
	}
	return newGrainDeflater(newFastLevel(level, min(reach, maxDistance))).deflate
}

// fastEncoder makes compressed grains with grainDeflater.
type fastEncoder struct{ d *grainDeflater }

func (e *fastEncoder) encode(dst, grain []byte, lba int64) ([]byte, error) {
	start := len(dst)
	return endGrain(e.d.deflate(beginGrain(dst, lba), grain), start, grain), nil
}

// tightEncoder makes compressed grains with klauspost's flate.
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

// sliceWriter appends what is written.
type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// beginGrain appends the grain's header, its size still open, and zlib's
// (RFC 1950).
func beginGrain(dst []byte, lba int64) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(lba))
	return append(dst, 0, 0, 0, 0, 0x78, 0x9C)
}

// endGrain appends zlib's checksum and the padding to whole sectors, and fills
// in the size of the grain that starts at start.
func endGrain(dst []byte, start int, grain []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, adler32(grain))
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-grainHeader))
	if tail := (len(dst) - start) % sectorSize; tail > 0 {
		dst = append(dst, make([]byte, sectorSize-tail)...)
	}
	return dst
}
