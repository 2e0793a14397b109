// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

const rawBlock = 64 << 10 // left out if it is all zero

// rawSink writes the disk itself, from several workers: while one waits for the
// device, the others read.
type rawSink struct {
	w     io.WriterAt
	zero  func(off, n int64) error // makes a block read as zero; nil if it does already
	after []byte                   // bytes that follow the disk
	size  int64                    // size of the disk, where they begin
	at    int64                    // everything before it is written
}

// NewEncoder implements pipeline.Sink.
func (s *rawSink) NewEncoder() func(*pipeline.Chunk) error { return s.chunk }

// chunk writes each run of blocks that contain data with one write.
func (s *rawSink) chunk(c *pipeline.Chunk) error {
	for at, b := c.Off, c.In; len(b) > 0; {
		n, zero := zeroRun(b)
		var err error
		if !zero {
			_, err = s.w.WriteAt(b[:n], at)
		} else if s.zero != nil {
			err = s.zero(at, int64(n))
		}
		if err != nil {
			return err
		}
		b, at = b[n:], at+int64(n)
	}
	return nil
}

// zeroRun is the length of the blocks at the start of b that are all zero, or that
// all are not.
func zeroRun(b []byte) (n int, zero bool) {
	for i := 0; i < len(b); i += rawBlock {
		z := pipeline.IsZero(b[i:min(i+rawBlock, len(b))])
		if i > 0 && z != zero {
			return i, zero
		}
		zero = z
	}
	return len(b), zero
}

// Write implements pipeline.Sink. The chunk has already been written, but not the
// hole before it.
func (s *rawSink) Write(c *pipeline.Chunk) error {
	err := s.hole(c.Off)
	s.at = c.Off + int64(len(c.In))
	return err
}

func (s *rawSink) hole(end int64) error {
	if s.zero == nil || s.at == end {
		return nil
	}
	return s.zero(s.at, end-s.at)
}

// End writes the last hole and the bytes that follow the disk.
func (s *rawSink) End() error {
	if err := s.hole(s.size); err != nil || len(s.after) == 0 {
		return err
	}
	_, err := s.w.WriteAt(s.after, s.size)
	return err
}

// rawStream writes the disk front to back, with holes as zeros.
type rawStream struct {
	w        io.Writer
	at, size int64
	zeros    []byte
}

// NewEncoder implements pipeline.Sink: a raw disk is written as it is.
func (s *rawStream) NewEncoder() func(*pipeline.Chunk) error {
	return func(*pipeline.Chunk) error { return nil }
}

// Write implements pipeline.Sink.
func (s *rawStream) Write(c *pipeline.Chunk) error {
	if err := s.fill(c.Off); err != nil {
		return err
	}
	s.at += int64(len(c.In))
	_, err := s.w.Write(c.In)
	return err
}

// fill writes zeros up to an offset of the disk.
func (s *rawStream) fill(to int64) error {
	for s.at < to {
		if s.zeros == nil {
			s.zeros = make([]byte, pipeline.DefaultChunk)
		}
		n, err := s.w.Write(s.zeros[:min(int64(len(s.zeros)), to-s.at)])
		if s.at += int64(n); err != nil {
			return err
		}
	}
	return nil
}

// End implements pipeline.Sink.
func (s *rawStream) End() error { return s.fill(s.size) }
