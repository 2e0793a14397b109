// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package vmdk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// chunkSize is what a worker reads at a time: long reads, few hand-overs.
const (
	chunkGrains = 16
	chunkSize   = chunkGrains * grainSize
)

// encoder appends one grain of the disk, whose first sector is lba, to dst as
// it will stand in the file: whole sectors.
type encoder interface {
	encode(dst, grain []byte, lba int64) ([]byte, error)
}

// plain stores grains as they are.
type plain struct{}

func (plain) encode(dst, grain []byte, _ int64) ([]byte, error) { return append(dst, grain...), nil }

// chunk is a piece of the disk on its way through the pipeline.
type chunk struct {
	off    int64  // on the disk
	in     []byte // chunkSize
	out    []byte // encoded grains, one after the other
	grains []span // those that are not zero
	err    error
	done   chan struct{}
}

// span says that the next n bytes of out are the grain with that number.
type span struct {
	grain int64
	n     int
}

// pipeline reads the source's extents in chunks, encodes the grains that are
// not zero with several workers, and gives the chunks to write in order. The
// number of chunks under way is bounded.
func pipeline(ctx context.Context, src Source, o Options, newEncoder func() encoder, write func(*chunk) error) error {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	slots := 2*workers + 1
	free := make(chan *chunk, slots)
	for range slots {
		free <- &chunk{done: make(chan struct{}, 1)}
	}
	todo, order := make(chan *chunk, slots), make(chan *chunk, slots)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(todo)
		defer close(order)
		for off := nextChunk(src, 0); off < src.Size(); off = nextChunk(src, off+chunkSize) {
			select {
			case c := <-free:
				c.off = off
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
			enc := newEncoder()
			for c := range todo {
				err := c.fill(src, enc)
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
				o.Progress(min(c.off+chunkSize, src.Size()-1), src.Size())
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

// nextChunk is the first chunk at or after off that holds anything.
func nextChunk(src Source, off int64) int64 {
	if off >= src.Size() {
		return off
	}
	return max(off, src.NextExtent(off)/chunkSize*chunkSize)
}

// fill reads the chunk and encodes its grains.
func (c *chunk) fill(src Source, enc encoder) error {
	if c.in == nil {
		c.in, c.out = make([]byte, chunkSize), make([]byte, 0, chunkSize+chunkSize/8)
	}
	c.out, c.grains = c.out[:0], c.grains[:0]
	n := min(chunkSize, src.Size()-c.off)
	if k, err := src.ReadAt(c.in[:n], c.off); int64(k) < n {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read disk at %d: %w", c.off+int64(k), err)
	}
	// A partial last grain is stored whole.
	end := (n + grainSize - 1) / grainSize * grainSize
	clear(c.in[n:end])
	for at := int64(0); at < end; at += grainSize {
		if !src.Covered(c.off+at, grainSize) {
			continue
		}
		grain := c.in[at : at+grainSize]
		if isZero(grain) {
			continue
		}
		before := len(c.out)
		var err error
		if c.out, err = enc.encode(c.out, grain, (c.off+at)/sectorSize); err != nil {
			return fmt.Errorf("compress disk at %d: %w", c.off+at, err)
		}
		c.grains = append(c.grains, span{(c.off + at) / grainSize, len(c.out) - before})
	}
	return nil
}

// isZero compares with itself shifted, which needs no block of zeros.
func isZero(b []byte) bool {
	return b[0] == 0 && b[len(b)-1] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
