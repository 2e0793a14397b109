// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/carosio/carosbuild/pkg/disk/rofs"
)

// ErrFormat is wrapped by errors about data that is not a squashfs that this
// package supports, or a damaged one.
var ErrFormat = errors.New("not a readable squashfs")

func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// FS reads a file system, with blocks of any size. It is safe for concurrent use.
// For a hostile file system, memory use is proportional to its inodes, and at most
// what limits allows.
type FS struct {
	r      io.ReaderAt
	super  superblock
	expand expander

	mu    sync.Mutex
	metas map[int64]*metaBlock // some blocks of metadata
	datas map[int64][]byte     // and of data, by offset
}

// metaBlock is a block of metadata, and the offset of the next one.
type metaBlock struct {
	data []byte
	next int64
}

// How many blocks are kept.
const (
	keptMetas = 256
	keptDatas = 16
)

// Open reads the superblock of a file system on a device of size bytes.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	b := make([]byte, superSize)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		if err == io.EOF {
			return nil, formatError("%d bytes are too few", size)
		}
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	f := &FS{r: r, metas: map[int64]*metaBlock{}, datas: map[int64][]byte{}}
	f.super.parse(b)
	s := &f.super
	switch {
	case s.Magic != magic || s.Major != 4 || s.Minor != 0:
		return nil, formatError("magic %08x, version %d.%d", s.Magic, s.Major, s.Minor)
	case s.BlockLog < 12 || s.BlockLog > 20 || s.BlockSize != 1<<s.BlockLog:
		return nil, formatError("blocks of %d bytes, which is not 2 to the %d", s.BlockSize, s.BlockLog)
	case s.Size < superSize || s.Size > uint64(size):
		return nil, formatError("it has %d bytes, on a device of %d", s.Size, size)
	case s.InodeTable >= s.Size || s.DirTable >= s.Size || s.IDTable >= s.Size:
		return nil, formatError("a table begins behind its %d bytes", s.Size)
	}
	var err error
	f.expand, err = newExpander(s.Compression)
	return f, err
}

// Size of the file system on its device, in bytes.
func (f *FS) Size() int64 { return int64(f.super.Size) }

// Time of creation, in seconds since 1970.
func (f *FS) Time() int64 { return int64(f.super.Time) }

// Compression is the name of the compression.
func (f *FS) Compression() Compression { return compressions[f.super.Compression] }

// read reads n bytes at off.
func (f *FS) read(off, n int64) ([]byte, error) {
	return rofs.ReadAt(f.r, off, n, f.Size(), formatError)
}

// meta reads the block of metadata at off.
func (f *FS) meta(off int64) (*metaBlock, error) {
	f.mu.Lock()
	m := f.metas[off]
	f.mu.Unlock()
	if m != nil {
		return m, nil
	}
	head, err := f.read(off, 2)
	if err != nil {
		return nil, err
	}
	word := le.Uint16(head)
	n := int64(word &^ rawMeta)
	if n == 0 || n > metaSize {
		return nil, formatError("block of metadata of %d bytes at %d", n, off)
	}
	b, err := f.read(off+2, n)
	if err == nil && word&rawMeta == 0 {
		b, err = f.expand(b, metaSize)
	}
	if err != nil {
		return nil, fmt.Errorf("block of metadata at %d: %w", off, err)
	}
	m = &metaBlock{b, off + 2 + n}
	f.mu.Lock()
	if len(f.metas) >= keptMetas {
		clear(f.metas)
	}
	f.metas[off] = m
	f.mu.Unlock()
	return m, nil
}

// data reads a block of n bytes of data; word is its size in a list of blocks.
func (f *FS) data(off int64, word uint32, n int64) ([]byte, error) {
	f.mu.Lock()
	b := f.datas[off]
	f.mu.Unlock()
	if int64(len(b)) >= n {
		return b, nil
	}
	size := int64(word &^ rawBlock)
	if size > int64(f.super.BlockSize) {
		return nil, formatError("block of %d bytes at %d", size, off)
	}
	b, err := f.read(off, size)
	if err == nil && word&rawBlock == 0 {
		b, err = f.expand(b, int64(f.super.BlockSize))
	}
	if err == nil && int64(len(b)) < n {
		err = formatError("%d bytes, want %d", len(b), n)
	}
	if err != nil {
		return nil, fmt.Errorf("block at %d: %w", off, err)
	}
	f.mu.Lock()
	if len(f.datas) >= keptDatas {
		clear(f.datas)
	}
	f.datas[off] = b
	f.mu.Unlock()
	return b, nil
}

// cursor reads metadata across blocks.
type cursor struct {
	f   *FS
	off int64 // of the block
	at  int   // in the uncompressed block
}

// next reads n bytes.
func (c *cursor) next(n int) ([]byte, error) {
	out := make([]byte, 0, min(n, metaSize))
	for {
		m, err := c.f.meta(c.off)
		if err != nil {
			return nil, err
		}
		if c.at > len(m.data) || c.at == len(m.data) && len(m.data) < metaSize && n > len(out) {
			return nil, formatError("byte %d of a block of metadata of %d", c.at, len(m.data))
		}
		k := min(n-len(out), len(m.data)-c.at)
		out = append(out, m.data[c.at:c.at+k]...)
		c.at += k
		if len(out) == n {
			return out, nil
		}
		c.off, c.at = m.next, 0
	}
}

// item reads entry i, of n bytes, of a table whose list of blocks is at list.
func (f *FS) item(list uint64, i uint32, n int) ([]byte, error) {
	at := int64(i) * int64(n)
	b, err := f.read(int64(list)+at/metaSize*8, 8)
	if err != nil {
		return nil, err
	}
	c := cursor{f, int64(le.Uint64(b)), int(at % metaSize)}
	return c.next(n)
}
