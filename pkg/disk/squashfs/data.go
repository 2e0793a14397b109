// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// dataWriter writes the contents of files. Pieces of files go from feed to the
// workers, which read and compress them; then, in the order of feed, to arrange,
// which finds files with the same content and fills fragments (which also go to the
// workers); and in that order to write.
type dataWriter struct {
	spool     Spool
	pos       int64 // end of the written data
	fragments []byte

	work, order, out chan *piece
}

// piece is a block, a small file, a run of blocks that are holes, a fragment, or
// the message that a file is identical to another one.
type piece struct {
	kind   kind
	f      *file
	off    int64  // in the file
	n      int64  // bytes
	last   bool   // of the file
	raw    []byte // as read
	packed []byte // in stored form
	size   uint32 // and its size in a list of blocks
	sum    [sha256.Size]byte
	err    error
	done   chan struct{}
}

type kind uint8

const (
	kindBlock kind = iota
	kindSmall
	kindHole
	kindFragment
	kindSame
)

// run writes all files, and the rest of the last fragment.
func (d *dataWriter) run(ctx context.Context, files []*file, newCompressor func() compressor, workers int) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	slots := 2*workers + 2
	d.work, d.order, d.out = make(chan *piece, slots), make(chan *piece, slots), make(chan *piece, slots)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(d.order)
		return d.feed(ctx, files)
	})
	for range workers {
		g.Go(func() error { return d.compress(ctx, newCompressor()) })
	}
	g.Go(func() error {
		defer close(d.out)
		defer close(d.work)
		defer func() { // feed has ended then
			for range d.order {
			}
		}()
		return d.arrange(ctx)
	})
	g.Go(func() error { return d.write(ctx) })
	return g.Wait()
}

// send sends a piece to a channel.
func send(ctx context.Context, c chan<- *piece, p *piece) error {
	select {
	case c <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// feed divides files into pieces.
func (d *dataWriter) feed(ctx context.Context, files []*file) error {
	for _, f := range files {
		switch size := f.entry.Size; {
		case size == 0:
		case f.small():
			if err := d.start(ctx, &piece{kind: kindSmall, f: f, n: size, last: true}); err != nil {
				return err
			}
		default:
			if err := d.feedBlocks(ctx, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *dataWriter) feedBlocks(ctx context.Context, f *file) error {
	size := f.entry.Size
	n, from := (size+blockSize-1)/blockSize, 0
	for i := int64(0); i < n; {
		p := &piece{kind: kindBlock, f: f, off: i * blockSize}
		blocks := f.hole(i, n, &from)
		if blocks > 0 {
			p.kind = kindHole
		}
		i += max(blocks, 1)
		p.n, p.last = min(i*blockSize, size)-p.off, i == n
		if err := d.start(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// start passes a piece to the workers and remembers its place.
func (d *dataWriter) start(ctx context.Context, p *piece) error {
	p.done = make(chan struct{})
	if p.kind == kindHole {
		close(p.done)
	} else if err := send(ctx, d.work, p); err != nil {
		return err
	}
	return send(ctx, d.order, p)
}

// compress is a worker.
func (d *dataWriter) compress(ctx context.Context, c compressor) error {
	for {
		select {
		case p, ok := <-d.work:
			if !ok {
				return nil
			}
			if p.err = p.make(c); p.err != nil {
				return p.err
			}
			close(p.done)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// make reads and compresses a piece.
func (p *piece) make(c compressor) error {
	if p.kind != kindFragment {
		p.raw = make([]byte, p.n)
		if err := p.f.read(p.raw, p.off); err != nil {
			return err
		}
		p.sum = sha256.Sum256(p.raw)
		if p.kind == kindSmall {
			return nil
		}
	}
	if p.kind == kindBlock && len(bytes.TrimLeft(p.raw, "\x00")) == 0 {
		p.kind = kindHole
		return nil
	}
	packed, raw, err := c.shrink(p.raw)
	p.packed, p.size = packed, uint32(len(packed))
	if raw {
		p.size |= rawBlock
	}
	return err
}

// wait waits until a piece has been made.
func (p *piece) wait(ctx context.Context) error {
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// arrange decides what is written, in the order of the files.
func (d *dataWriter) arrange(ctx context.Context) error {
	a := &arranger{d: d, seen: map[[sha256.Size]byte]*file{}}
	for p := range d.order {
		if err := p.wait(ctx); err != nil {
			return err
		}
		if err := a.piece(ctx, p); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return a.flush(ctx)
}

// write writes the pieces that arrange sends.
func (d *dataWriter) write(ctx context.Context) error {
	for p := range d.out {
		if err := p.wait(ctx); err != nil {
			return err
		}
		f := p.f
		if p.kind != kindFragment && p.off == 0 && p.kind != kindSame {
			f.start = d.pos
		}
		switch p.kind {
		case kindSame: // forget its blocks
			d.pos = f.start
			f.sizes = nil
			continue
		case kindHole:
			f.sizes = append(f.sizes, make([]uint32, (p.n+blockSize-1)/blockSize)...)
			f.sparse += p.n
			continue
		case kindFragment:
			d.fragments = le.AppendUint64(d.fragments, uint64(d.pos))
			d.fragments = le.AppendUint64(d.fragments, uint64(p.size))
		case kindBlock:
			f.sizes = append(f.sizes, p.size)
		}
		if _, err := d.spool.WriteAt(p.packed, d.pos); err != nil {
			return fmt.Errorf("write squashfs: %w", err)
		}
		d.pos += int64(len(p.packed))
	}
	return ctx.Err()
}
