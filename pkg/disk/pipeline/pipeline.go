// SPDX-License-Identifier: MPL-2.0

// Package pipeline reads a disk once, for one or several formats: workers read
// pieces of it and encode them for each format, and one writer gets them in order.
// Holes are not read, and the number of pieces in memory is bounded.
package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"unsafe"

	"golang.org/x/sync/errgroup"
)

// Source is the device to write. Ranges that are not Covered are holes and are
// not read. An image.Image is a Source.
type Source interface {
	io.ReaderAt // safe for concurrent use
	Size() int64
	Covered(off, n int64) bool
	NextExtent(off int64) int64
}

// Sink is a format in which a disk is written. Its output must not depend on the
// size of the chunks.
type Sink interface {
	// NewEncoder is called once for each worker. The encoder makes Out and Spans
	// from In, which it must not change; encoders run concurrently.
	NewEncoder() func(*Chunk) error
	// Write gets the chunks in the order of the disk, one at a time.
	Write(*Chunk) error
	// End is called after the last chunk.
	End() error
}

// Options of Run.
type Options struct {
	Chunk    int64 // bytes that a worker reads at a time, a multiple of 4096 and of the blocks of all sinks; 0 means 1 MiB
	Workers  int   // goroutines that read and encode; 0 means one per CPU
	Progress func(done, total int64)
}

// Chunk is a piece of the disk for one Sink. Its slices are reused for later
// chunks.
type Chunk struct {
	Off   int64  // on the disk, a multiple of Options.Chunk
	In    []byte // as long as the disk has it; aligned for O_DIRECT
	Out   []byte // empty at first
	Spans []Span // likewise

	src Source
}

// Span says that the next Len bytes of Out represent the disk from Off on.
type Span struct {
	Off int64
	Len int
}

// Add appends a block to Out, using encode, and a Span for it.
func (c *Chunk) Add(off int64, encode func(dst []byte) ([]byte, error)) error {
	before := len(c.Out)
	out, err := encode(c.Out)
	if err != nil {
		return fmt.Errorf("encode disk at %d: %w", off, err)
	}
	c.Out = out
	c.Spans = append(c.Spans, Span{off, len(out) - before})
	return nil
}

// place has a chunk while it is being processed.
type place struct {
	off    int64
	buf    []byte
	chunks []Chunk // one per sink
	err    error
	done   chan struct{}
}

// Run reads the chunks of src that an extent touches, encodes them with several
// workers, and gives them to each sink in the order of the disk.
func Run(ctx context.Context, src Source, o Options, sinks ...Sink) error {
	r := newRun(src, o, sinks)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.plan(ctx) })
	for range r.workers {
		g.Go(func() error { return r.work(ctx) })
	}
	g.Go(func() error { return r.write(ctx) })
	if err := g.Wait(); err != nil {
		return err
	}
	for _, s := range sinks {
		if err := s.End(); err != nil {
			return err
		}
	}
	if o.Progress != nil {
		o.Progress(src.Size(), src.Size())
	}
	return nil
}

type run struct {
	src               Source
	chunk             int64
	workers           int
	progress          func(done, total int64)
	sinks             []Sink
	free, todo, order chan *place // each can hold every place
}

func newRun(src Source, o Options, sinks []Sink) *run {
	r := &run{src: src, chunk: o.Chunk, workers: o.Workers, progress: o.Progress, sinks: sinks}
	if r.chunk == 0 {
		r.chunk = DefaultChunk
	}
	if r.workers <= 0 {
		r.workers = runtime.GOMAXPROCS(0)
	}
	n := 2*r.workers + 1
	r.free, r.todo, r.order = make(chan *place, n), make(chan *place, n), make(chan *place, n)
	for range n {
		r.free <- &place{chunks: make([]Chunk, len(sinks)), done: make(chan struct{}, 1)}
	}
	return r
}

// DefaultChunk allows long reads and few hand-overs.
const DefaultChunk = 1 << 20

// plan hands out the chunks that contain data.
func (r *run) plan(ctx context.Context) error {
	defer close(r.todo)
	defer close(r.order)
	for off := r.next(0); off < r.src.Size(); off = r.next(off + r.chunk) {
		select {
		case p := <-r.free:
			p.off = off
			r.todo <- p
			r.order <- p
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// next is the first chunk at or after off that contains data.
func (r *run) next(off int64) int64 {
	if off >= r.src.Size() {
		return off
	}
	return max(off, r.src.NextExtent(off)/r.chunk*r.chunk)
}

func (r *run) work(ctx context.Context) error {
	encoders := make([]func(*Chunk) error, len(r.sinks))
	for i, s := range r.sinks {
		encoders[i] = s.NewEncoder()
	}
	for p := range r.todo {
		err := r.fill(p)
		for i := 0; i < len(encoders) && err == nil; i++ {
			err = encoders[i](&p.chunks[i])
		}
		p.err = err
		p.done <- struct{}{} // from here on the writer owns p
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

func (r *run) write(ctx context.Context) error {
	for p := range r.order {
		select {
		case <-p.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if p.err != nil {
			return p.err
		}
		for i, s := range r.sinks {
			if err := s.Write(&p.chunks[i]); err != nil {
				return err
			}
		}
		if r.progress != nil {
			r.progress(min(p.off+r.chunk, r.src.Size()-1), r.src.Size())
		}
		r.free <- p
	}
	return ctx.Err()
}

// fill reads the chunk.
func (r *run) fill(p *place) error {
	if p.buf == nil {
		p.buf = aligned(int(r.chunk))
	}
	in := p.buf[:min(r.chunk, r.src.Size()-p.off)]
	for i := range p.chunks {
		c := &p.chunks[i]
		*c = Chunk{Off: p.off, In: in, Out: c.Out[:0], Spans: c.Spans[:0], src: r.src}
	}
	if k, err := r.src.ReadAt(in, p.off); k < len(in) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read disk at %d: %w", p.off+int64(k), err)
	}
	clear(p.buf[len(in):])
	return nil
}

// aligned is a new slice of n bytes whose memory is suitable for direct writes.
func aligned(n int) []byte {
	const align = 4096
	b := make([]byte, n+align)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (align - 1)
	return b[skip : skip+n : skip+n]
}

// Blocks calls do for each block of the chunk that is not zero, in order. The
// disk's last block is also passed as a whole one, padded with zeros. block divides
// Options.Chunk.
func (c *Chunk) Blocks(block int64, do func(off int64, b []byte) error) error {
	end := (int64(len(c.In)) + block - 1) / block * block
	for at := int64(0); at < end; at += block {
		b := c.In[at : at+block]
		if !c.src.Covered(c.Off+at, block) || IsZero(b) {
			continue
		}
		if err := do(c.Off+at, b); err != nil {
			return err
		}
	}
	return nil
}

// Covered reports whether an extent of the disk touches the range.
func (c *Chunk) Covered(off, n int64) bool { return c.src.Covered(off, n) }

// IsZero reports whether all of b, which is not empty, is zero. It compares b with
// itself, shifted, which needs no block of zeros.
func IsZero(b []byte) bool {
	return b[0] == 0 && b[len(b)-1] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
