// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"golang.org/x/sync/errgroup"
)

const (
	rawChunk = 1 << 20  // read and written at a time
	rawBlock = 64 << 10 // left out when it is all zero
)

// WriteRaw writes the image to w, a new file of the image's size that reads as
// zero: holes of the image, and blocks of 64 KiB that are all zero, are not
// written. workers <= 0 means two a CPU. progress, which may be nil, is called
// with bytes of the image, one call at a time.
func WriteRaw(ctx context.Context, w io.WriterAt, m *image.Image, workers int, progress func(done, total int64)) error {
	if workers <= 0 {
		workers = 2 * runtime.GOMAXPROCS(0) // half of them wait for the disk
	}
	c := &rawCopy{w: w, m: m, progress: progress}
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			b := aligned(rawChunk)
			for {
				off, n := c.next()
				if n == 0 {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := c.chunk(b[:n], off); err != nil {
					return err
				}
			}
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if progress != nil {
		progress(m.Size(), m.Size())
	}
	return nil
}

// rawCopy hands out chunks of the image in order.
type rawCopy struct {
	w        io.WriterAt
	m        *image.Image
	progress func(done, total int64)

	mu  sync.Mutex
	pos int64
}

// next is the next range that holds data, at most a chunk and aligned to
// chunks where it is longer; n is 0 at the end.
func (c *rawCopy) next() (off, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pos >= c.m.Size() {
		return c.pos, 0
	}
	off = c.m.NextExtent(c.pos)
	if start := off / rawBlock * rawBlock; start >= c.pos && off < c.m.Size() {
		off = start // whole blocks: that is what direct writes want
	}
	end := min((off/rawChunk+1)*rawChunk, c.m.Size())
	if c.progress != nil && off < c.m.Size() {
		c.progress(off, c.m.Size())
	}
	c.pos = end
	return off, end - off
}

func (c *rawCopy) chunk(b []byte, off int64) error {
	if n, err := c.m.ReadAt(b, off); n < len(b) {
		return fmt.Errorf("read disk: %w", err)
	}
	for len(b) > 0 {
		// One write for a run of blocks that hold something.
		skip := 0
		for skip < len(b) && isZero(b[skip:blockEnd(b, off, skip)]) {
			skip = blockEnd(b, off, skip)
		}
		n := skip
		for n < len(b) && !isZero(b[n:blockEnd(b, off, n)]) {
			n = blockEnd(b, off, n)
		}
		if n > skip {
			if _, err := c.w.WriteAt(b[skip:n], off+int64(skip)); err != nil {
				return err
			}
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// blockEnd is where the block of the disk that b[i] is in ends within b.
func blockEnd(b []byte, off int64, i int) int {
	return min(len(b), i+int(rawBlock-(off+int64(i))%rawBlock))
}

// isZero compares with itself shifted, which needs no block of zeros.
func isZero(b []byte) bool {
	return b[0] == 0 && bytes.Equal(b[:len(b)-1], b[1:])
}
