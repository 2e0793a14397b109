// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Canonical is the Tree of a file system in the form in which Merge returns it for
// a tar archive of the same files: Data ranges depend on the contents alone, times
// are clamped, device nodes are not hard links, and there are no attributes that
// have a meaning only for a storage, or that Linux does not allow on files of that
// kind. All contents are read: a read error is returned with its path. Clamp and
// jobs are as for Read.
func (t *Tree) Canonical(ctx context.Context, clamp int64, jobs int) (*Tree, error) {
	out := &Tree{Entries: slices.Clone(t.Entries)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(jobs, 1))
	for part := range slices.Chunk(out.Entries, 64) {
		g.Go(func() error {
			buf := make([]byte, HoleSize)
			for i := range part {
				if err := part[i].canonical(ctx, t, clamp, buf); err != nil {
					return fmt.Errorf("/%s: %w", part[i].Path, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// canonical changes an entry of a copy of t. Buf has HoleSize bytes.
func (e *Entry) canonical(ctx context.Context, t *Tree, clamp int64, buf []byte) error {
	if e.Hardlink != "" {
		i, ok := t.find(e.Hardlink)
		if !ok {
			return fmt.Errorf("hard link to /%s, which is not there", e.Hardlink)
		}
		if to := t.Entries[i]; to.Type() == Char || to.Type() == Block {
			to.Path = e.Path
			*e = to
		}
	}
	if e.Hardlink != "" {
		return nil
	}
	n, err := e.inode()
	if err != nil {
		return err
	}
	e.Mode, e.Xattrs = n.mode, n.xattrs
	e.clampTime(clamp)
	if e.Type() != Regular || e.Size == 0 {
		e.Size, e.Data, e.Content = 0, nil, nil
		return nil
	}
	data, err := e.scan(ctx, buf)
	if err != nil {
		return err
	}
	e.Data = data
	if e.Size < HoleSize { // which Merge does not read
		e.Data = nil
	}
	return nil
}

// scan reads a content and finds its ranges, in blocks of HoleSize, that are not
// zero; nil means the whole content.
func (e *Entry) scan(ctx context.Context, buf []byte) ([]Range, error) {
	out, holes := []Range{}, false
	rest := e.Ranges()
	for off := int64(0); off < e.Size; off += HoleSize {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for len(rest) > 0 && rest[0].Off+rest[0].Len <= off {
			rest = rest[1:]
		}
		if len(rest) == 0 || rest[0].Off >= off+HoleSize {
			holes = true
			if len(rest) == 0 {
				break
			}
			off = rest[0].Off/HoleSize*HoleSize - HoleSize // the next one
			continue
		}
		b := buf[:min(HoleSize, e.Size-off)]
		if n, err := e.Content.ReadAt(b, off); n < len(b) {
			if err == io.EOF || err == nil {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if k := len(out); bytes.Equal(b, zeros[:len(b)]) {
			holes = true
		} else if k > 0 && out[k-1].Off+out[k-1].Len == off {
			out[k-1].Len += int64(len(b))
		} else {
			out = append(out, Range{off, int64(len(b))})
		}
	}
	if !holes {
		return nil, nil
	}
	return out, nil
}
