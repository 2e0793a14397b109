// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// data reads a file's content.
type data struct {
	f *FS
	n record
}

// ReadAt implements io.ReaderAt.
func (c *data) ReadAt(p []byte, off int64) (int, error) {
	size := c.n.size()
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	if off >= size {
		return 0, io.EOF
	}
	n := min(int64(len(p)), size-off)
	if c.f.inline(c.n) {
		b, err := c.f.inlineContent(c.n)
		if err != nil {
			return 0, err
		}
		if n = int64(copy(p, b[off:])); n < int64(len(p)) {
			err = io.EOF
		}
		return int(n), err
	}
	clear(p[:n])
	w := walker{f: c.f, n: c.n, from: off / c.f.block, to: (off+n-1)/c.f.block + 1, piece: func(x piece) (bool, error) {
		return c.copy(p[:n], off, x)
	}}
	if err := w.walk(); err != nil {
		return 0, err
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// copy reads the part of p that is in x; p is at off in the file.
func (c *data) copy(p []byte, off int64, x piece) (bool, error) {
	start, end := x.logical*c.f.block, (x.logical+x.n)*c.f.block
	from, to := max(start, off), min(end, off+int64(len(p)))
	if from < to && !x.unwritten {
		b := p[from-off : to-off]
		if k, err := c.f.r.ReadAt(b, x.start*c.f.block+from-start); k < len(b) {
			return false, fmt.Errorf("read inode %d: %w", c.n.ino, err)
		}
	}
	return end < off+int64(len(p)), nil
}

// NextExtent is the offset of the first byte at or after off that is stored, or
// the file's size.
func (c *data) NextExtent(off int64) int64 {
	at := c.n.size()
	if c.f.inline(c.n) {
		return min(off, at)
	}
	w := walker{f: c.f, n: c.n, from: off / c.f.block, to: (at-1)/c.f.block + 1, piece: func(x piece) (bool, error) {
		if !x.unwritten {
			at = min(at, max(off, x.logical*c.f.block))
		}
		return x.unwritten, nil
	}}
	if w.walk() != nil {
		return off // ReadAt gives the error
	}
	return at
}

// ranges are a file's ranges that are not holes, if its inode lists all of its
// extents, else nil, which means that all may be data.
func (c *data) ranges() []tree.Range {
	if c.f.inline(c.n) || c.n.flags()&flagExtents == 0 || le.Uint16(c.n.words()[6:]) != 0 {
		return nil
	}
	size, all := c.n.size(), false
	out := []tree.Range{}
	w := walker{f: c.f, n: c.n, piece: func(x piece) (bool, error) {
		off := x.logical * c.f.block
		r := tree.Range{Off: off, Len: min(x.n*c.f.block, size-off)}
		switch k := len(out) - 1; {
		case x.unwritten || r.Len <= 0:
		case k >= 0 && out[k].Off+out[k].Len == off:
			out[k].Len += r.Len
		default:
			out = append(out, r)
		}
		all = len(out) == 1 && out[0] == tree.Range{Len: size}
		return true, nil
	}}
	if w.walk() != nil || all {
		return nil
	}
	return out
}
