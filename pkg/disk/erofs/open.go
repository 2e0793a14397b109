// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"errors"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
)

// ErrFormat is wrapped by errors about data that is not an EROFS that this package
// supports, or a damaged one.
var ErrFormat = errors.New("not a readable EROFS")

func formatError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrFormat, fmt.Sprintf(format, args...))
}

// FS reads a file system. It is safe for concurrent use. Its paths and inodes may
// be much larger than the file system itself; a walk holds no more of them than
// limits allows.
type FS struct {
	r     io.ReaderAt
	super superblock
	size  int64 // of the file system, in bytes
	block int64 // bytes
	sum   uint32
}

// known are the features with which names and sizes can be read.
const known = incompatPadding | incompatConfigs | incompatChunks | incompatTails | incompatParts

// Open reads the superblock of a file system on a device of size bytes.
func Open(r io.ReaderAt, size int64) (*FS, error) {
	b := make([]byte, superSize)
	if n, err := r.ReadAt(b, superOffset); n < len(b) {
		if err == io.EOF {
			return nil, formatError("%d bytes are too few", size)
		}
		return nil, fmt.Errorf("read superblock: %w", err)
	}
	f := &FS{r: r}
	s := &f.super
	s.parse(b)
	switch {
	case s.Magic != magic:
		return nil, formatError("magic %08x", s.Magic)
	case s.Incompat&^known != 0 || s.Devices != 0 || s.Prefixes != 0:
		return nil, damage.Unreadf("an EROFS with features %#x and %d further devices", s.Incompat, s.Devices)
	case s.BlockLog < 9 || s.BlockLog > 16 || s.DirBlockLog != 0:
		return nil, formatError("blocks of 2 to the %d bytes, of directories %d times as much", s.BlockLog, 1<<min(s.DirBlockLog, 63))
	}
	f.block = 1 << s.BlockLog
	f.size = int64(s.Blocks) * f.block
	if f.size < superOffset+superSize || f.size > size {
		return nil, formatError("it has %d bytes, on a device of %d", f.size, size)
	}
	if s.Compat&compatChecksum != 0 {
		n := f.block
		if n > superOffset {
			n -= superOffset
		}
		first, err := f.read(superOffset, n)
		if err != nil {
			return nil, err
		}
		f.sum = checksum(first)
	}
	return f, nil
}

// Size of the file system on its device, in bytes.
func (f *FS) Size() int64 { return f.size }

// Time of creation, in seconds since 1970.
func (f *FS) Time() int64 { return int64(f.super.Time) }

// read reads n bytes at off.
func (f *FS) read(off, n int64) ([]byte, error) {
	return rofs.ReadAt(f.r, off, n, f.size, formatError)
}

// place is the place of the inode of a node id.
func (f *FS) place(nid uint64) (int64, error) {
	at := int64(f.super.MetaBlock) * f.block
	if nid > uint64(f.size-min(at, f.size))/nidSize {
		return 0, formatError("node %d is behind its %d bytes", nid, f.size)
	}
	return at + int64(nid)*nidSize, nil
}
