// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// read reads data at an offset; the range is within the size.
func (n *found) read(p []byte, off int64) error {
	for len(p) > 0 {
		at, k, err := n.run(off, int64(len(p)))
		if err != nil {
			return err
		}
		if at < 0 {
			clear(p[:k])
		} else if got, err := n.f.r.ReadAt(p[:k], at); int64(got) < k {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read at %d: %w", at, err)
		}
		p, off = p[k:], off+k
	}
	return nil
}

// run is the place on the device of the data at an offset, negative for a hole, and
// how many bytes, of at most so many, are contiguous there.
func (n *found) run(off, most int64) (at, k int64, err error) {
	switch n.layout {
	case layoutPlain:
		return n.start + off, most, nil
	case layoutInline:
		whole := n.size - n.size%n.f.block
		if off < whole {
			return n.start + off, min(most, whole-off), nil
		}
		return n.behind + off - whole, most, nil
	case layoutChunks:
		i, in := off/n.chunk, off%n.chunk
		if k = min(most, n.chunk-in); n.chunks[i] == noBlock {
			return -1, k, nil
		}
		return int64(n.chunks[i])*n.f.block + in, k, nil
	}
	return 0, 0, damage.Unreadf("it is compressed")
}

// holes sets the ranges that are not holes for a file in chunks.
func (n *found) holes() {
	if n.Entry.Type() != tree.Regular || n.size == 0 {
		return
	}
	holes := false
	data := []tree.Range{}
	for i, c := range n.chunks {
		off := int64(i) * n.chunk
		size := min(n.chunk, n.size-off)
		switch k := len(data); {
		case c == noBlock:
			holes = true
		case k > 0 && data[k-1].Off+data[k-1].Len == off:
			data[k-1].Len += size
		default:
			data = append(data, tree.Range{Off: off, Len: size})
		}
	}
	if holes {
		n.Entry.Data = data
	}
}

// fileContent is the content of a file.
type fileContent struct{ n *found }

// ReadAt implements io.ReaderAt.
func (c fileContent) ReadAt(p []byte, off int64) (int, error) {
	size := c.n.size
	if off < 0 || off >= size {
		return 0, io.EOF
	}
	short := int64(len(p)) > size-off
	if short {
		p = p[:size-off]
	}
	if err := c.n.read(p, off); err != nil {
		return 0, fmt.Errorf("%s: %w", rofs.Where(c.n.Entry.Path), err)
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}
