// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"context"
	"crypto/sha256"
	"hash"
)

// arranger finds files with the same content and fills fragments. It gets the
// pieces in order.
type arranger struct {
	d    *dataWriter
	seen map[[sha256.Size]byte]*file // by size and content

	hash  hash.Hash // of the current file
	holes int64     // bytes of zeros not yet in hash

	fragment []byte
	number   uint32 // of the fragment
}

// piece takes the next piece.
func (a *arranger) piece(ctx context.Context, p *piece) error {
	if p.off == 0 {
		a.hash, a.holes = sha256.New(), 0
	}
	if p.kind == kindHole {
		a.holes += p.n // the same whether they were known as holes or read
	} else {
		a.hashHoles()
		a.hash.Write(p.sum[:])
	}
	if p.kind != kindSmall {
		if err := send(ctx, a.d.out, p); err != nil {
			return err
		}
	}
	if !p.last {
		return nil
	}
	if a.duplicate(p.f) {
		if p.kind == kindSmall {
			return nil
		}
		done := make(chan struct{})
		close(done)
		return send(ctx, a.d.out, &piece{kind: kindSame, f: p.f, done: done})
	}
	if p.kind == kindSmall {
		return a.pack(ctx, p)
	}
	return nil
}

func (a *arranger) hashHoles() {
	if a.holes > 0 {
		a.hash.Write(le.AppendUint64([]byte("hole"), uint64(a.holes)))
		a.holes = 0
	}
}

// duplicate reports whether there was an identical file before.
func (a *arranger) duplicate(f *file) bool {
	a.hashHoles()
	a.hash.Write(le.AppendUint64(nil, uint64(f.entry.Size)))
	key := [sha256.Size]byte(a.hash.Sum(nil))
	first, ok := a.seen[key]
	if ok {
		f.same = first
		return true
	}
	a.seen[key] = f
	return false
}

// pack adds a small file to the fragment.
func (a *arranger) pack(ctx context.Context, p *piece) error {
	if len(a.fragment)+len(p.raw) > blockSize {
		if err := a.flush(ctx); err != nil {
			return err
		}
	}
	p.f.fragment, p.f.offset = a.number, uint32(len(a.fragment))
	a.fragment = append(a.fragment, p.raw...)
	return nil
}

// flush passes the fragment to the workers and to the writer.
func (a *arranger) flush(ctx context.Context) error {
	if len(a.fragment) == 0 {
		return nil
	}
	p := &piece{kind: kindFragment, raw: a.fragment, done: make(chan struct{})}
	a.fragment, a.number = nil, a.number+1
	if err := send(ctx, a.d.work, p); err != nil {
		return err
	}
	return send(ctx, a.d.out, p)
}
