// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package pipeline goes over a disk once: several workers read and encode
// pieces of it, and one writer gets them in order. Holes are not read, and the
// number of pieces under way is bounded.
package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"

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

// Options of Run.
type Options struct {
	Chunk    int64 // bytes that a worker reads at a time
	Workers  int   // goroutines that read and encode; 0 means one a CPU
	Progress func(done, total int64)
}

// Chunk is a piece of the disk on its way: an Encoder makes Out and Meta of In.
// All three are used again for later chunks.
type Chunk[T any] struct {
	Off  int64  // on the disk, a multiple of Options.Chunk
	In   []byte // as long as the disk has it; cap is Options.Chunk
	Out  []byte // empty, with room for a chunk and an eighth
	Meta T      // as the last chunk in this place left it

	err  error
	done chan struct{}
}

// Encoder encodes a chunk. Each worker has one of its own.
type Encoder[T any] func(*Chunk[T]) error

// Run reads the chunks of src that an extent touches, encodes them with several
// workers, and gives them to write in the order of the disk.
func Run[T any](ctx context.Context, src Source, o Options, newEncoder func() Encoder[T], write func(*Chunk[T]) error) error {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	slots := 2*workers + 1
	free := make(chan *Chunk[T], slots)
	for range slots {
		free <- &Chunk[T]{done: make(chan struct{}, 1)}
	}
	todo, order := make(chan *Chunk[T], slots), make(chan *Chunk[T], slots)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		defer close(order)
		for off := next(src, 0, o.Chunk); off < src.Size(); off = next(src, off+o.Chunk, o.Chunk) {
			select {
			case c := <-free:
				c.Off = off
				todo <- c // never blocks, nor does order: both hold every slot
				order <- c
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for range workers {
		g.Go(func() error {
			encode := newEncoder()
			for c := range todo {
				err := c.fill(src, o.Chunk)
				if err == nil {
					err = encode(c)
				}
				c.err = err
				c.done <- struct{}{} // from here on c is the writer's
				if err != nil || ctx.Err() != nil {
					return err
				}
			}
			return nil
		})
	}
	g.Go(func() error {
		for c := range order {
			select {
			case <-c.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			if c.err != nil {
				return c.err
			}
			if err := write(c); err != nil {
				return err
			}
			if o.Progress != nil {
				o.Progress(min(c.Off+o.Chunk, src.Size()-1), src.Size())
			}
			free <- c
		}
		return ctx.Err()
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if o.Progress != nil {
		o.Progress(src.Size(), src.Size())
	}
	return nil
}

// next is the first chunk at or after off that holds anything.
func next(src Source, off, chunk int64) int64 {
	if off >= src.Size() {
		return off
	}
	return max(off, src.NextExtent(off)/chunk*chunk)
}

// fill reads the chunk.
func (c *Chunk[T]) fill(src Source, chunk int64) error {
	if c.In == nil {
		c.In, c.Out = make([]byte, chunk), make([]byte, 0, chunk+chunk/8)
	}
	c.In, c.Out = c.In[:min(chunk, src.Size()-c.Off)], c.Out[:0]
	if k, err := src.ReadAt(c.In, c.Off); k < len(c.In) {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read disk at %d: %w", c.Off+int64(k), err)
	}
	return nil
}

// Blocks calls do for each block of the chunk that is not zero, in order. The
// last block of the disk, too, is a whole one, with zeros at its end. block
// divides Options.Chunk.
func (c *Chunk[T]) Blocks(src Source, block int64, do func(off int64, b []byte) error) error {
	n := int64(len(c.In))
	in := c.In[:(n+block-1)/block*block]
	clear(in[n:])
	for at := int64(0); at < int64(len(in)); at += block {
		b := in[at : at+block]
		if !src.Covered(c.Off+at, block) || IsZero(b) {
			continue
		}
		if err := do(c.Off+at, b); err != nil {
			return fmt.Errorf("encode disk at %d: %w", c.Off+at, err)
		}
	}
	return nil
}

// IsZero reports whether all of b, which is not empty, is zero. It compares b
// with itself shifted, which needs no block of zeros.
func IsZero(b []byte) bool {
	return b[0] == 0 && b[len(b)-1] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
