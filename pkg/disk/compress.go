// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// packBlock is how much of the disk is in one gzip member, zstd frame or xz stream.
// Decompressors read a sequence of them as one file, and the output does not depend
// on the number of workers.
const packBlock = 4 << 20

// packer appends a block as a complete compressed file.
type packer func(dst, block []byte) ([]byte, error)

// packSink writes a raw disk in compressed blocks.
type packSink struct {
	w         io.Writer
	newPacker func() (packer, error)
	at, size  int64
	zeros     func() ([]byte, error) // compressed zeros of the length of a whole block
}

func newPackSink(w io.Writer, size int64, format Format, level int) (pipeline.Sink, error) {
	s := &packSink{w: w, size: size, newPacker: func() (packer, error) { return newPacker(format, level) }}
	s.zeros = sync.OnceValues(func() ([]byte, error) { return s.hole(packBlock) })
	_, err := s.newPacker()
	return s, err
}

// hole is n zeros, compressed.
func (s *packSink) hole(n int64) ([]byte, error) {
	pack, err := s.newPacker()
	if err != nil {
		return nil, err
	}
	return pack(nil, make([]byte, n))
}

// NewEncoder implements pipeline.Sink.
func (s *packSink) NewEncoder() func(*pipeline.Chunk) error {
	pack, err := s.newPacker()
	return func(c *pipeline.Chunk) error {
		for at := 0; at < len(c.In) && err == nil; at += packBlock {
			b := c.In[at:min(at+packBlock, len(c.In))]
			err = c.Add(c.Off+int64(at), func(dst []byte) ([]byte, error) {
				if len(b) == packBlock && pipeline.IsZero(b) {
					zeros, err := s.zeros()
					return append(dst, zeros...), err
				}
				return pack(dst, b)
			})
		}
		return err
	}
}

// Write implements pipeline.Sink.
func (s *packSink) Write(c *pipeline.Chunk) error {
	if err := s.fill(c.Off); err != nil {
		return err
	}
	s.at += int64(len(c.In))
	_, err := s.w.Write(c.Out)
	return err
}

// fill writes compressed zeros up to an offset of the disk.
func (s *packSink) fill(to int64) error {
	for s.at < to {
		n := min(packBlock, to-s.at)
		b, err := s.zeros()
		if n < packBlock {
			b, err = s.hole(n)
		}
		if err != nil {
			return err
		}
		if _, err := s.w.Write(b); err != nil {
			return err
		}
		s.at += n
	}
	return nil
}

// End implements pipeline.Sink.
func (s *packSink) End() error { return s.fill(s.size) }

// appender is a writer that appends to a slice.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}

func newPacker(format Format, level int) (packer, error) {
	if p := format.code().packer; p != nil {
		return p(level)
	}
	return nil, fmt.Errorf("disk format %q is not a compressed one", format)
}

func newGzip(level int) (packer, error) {
	if level == 0 {
		level = gzip.DefaultCompression
	}
	w, err := gzip.NewWriterLevel(nil, min(level, gzip.BestCompression))
	if err != nil {
		return nil, err
	}
	return func(dst, block []byte) ([]byte, error) {
		out := &appender{dst}
		w.Reset(out)
		if _, err := w.Write(block); err != nil {
			return nil, err
		}
		err := w.Close()
		return out.b, err
	}, nil
}

func newZstd(level int) (packer, error) {
	l := zstd.SpeedDefault
	if level > 0 {
		l = zstd.EncoderLevelFromZstd(level)
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(l), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packBlock))
	if err != nil {
		return nil, err
	}
	return func(dst, block []byte) ([]byte, error) { return e.EncodeAll(block, dst), nil }, nil
}

// packXZ has only one level: the encoder supports no other.
func packXZ(dst, block []byte) ([]byte, error) {
	out := &appender{dst}
	w, err := xz.WriterConfig{DictCap: packBlock}.NewWriter(out)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(block); err != nil {
		return nil, err
	}
	err = w.Close()
	return out.b, err
}
