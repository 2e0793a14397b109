// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

import (
	"encoding/binary"
	"hash/adler32"

	"github.com/klauspost/compress/flate"
)

// DefaultLevel is the level of a zero Options.Level.
const DefaultLevel = 5

// deflater makes compressed grains: header, zlib stream, padding. One belongs
// to one worker.
type deflater struct {
	w   *flate.Writer
	out sliceWriter
}

// sliceWriter appends what is written.
type sliceWriter struct{ b []byte }

func (s *sliceWriter) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

func newDeflater(level int) *deflater {
	w, err := flate.NewWriter(nil, min(max(level, 1), 9))
	if err != nil {
		panic(err) // the level is within bounds
	}
	return &deflater{w: w}
}

func (d *deflater) encode(dst, grain []byte, lba int64) ([]byte, error) {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(lba))
	d.out.b = append(dst, 0, 0, 0, 0, 0x78, 0x9C)
	d.w.Reset(&d.out)
	if _, err := d.w.Write(grain); err != nil {
		return nil, err
	}
	if err := d.w.Close(); err != nil {
		return nil, err
	}
	dst = binary.BigEndian.AppendUint32(d.out.b, adler32.Checksum(grain))
	binary.LittleEndian.PutUint32(dst[start+8:], uint32(len(dst)-start-grainHeader))
	if tail := (len(dst) - start) % sectorSize; tail > 0 {
		dst = append(dst, make([]byte, sectorSize-tail)...)
	}
	return dst, nil
}
