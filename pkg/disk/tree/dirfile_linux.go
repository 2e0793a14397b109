// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// dirFile is a regular file of a Source.
type dirFile struct {
	dir  *Source
	path string
}

func (f *dirFile) open() (openFile, error) {
	fd, err := beneath.Open(f.dir.fd, f.path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY)
	if err != nil {
		return openFile{}, &os.PathError{Op: "open", Path: f.path, Err: err}
	}
	return openFile{fd, f.path}, nil
}

// ReadAt implements io.ReaderAt. The file is opened for each call, so that a tree
// of any size needs no more descriptors than it has readers.
func (f *dirFile) ReadAt(p []byte, off int64) (int, error) {
	file, err := f.open()
	if err != nil {
		return 0, err
	}
	n, err := file.ReadAt(p, off)
	return n, errors.Join(err, unix.Close(file.fd))
}

// ranges finds the blocks that are not zero; nil means all of them. In most cases,
// only the start of a block is read to see that it is not a hole.
func (f *dirFile) ranges(size int64) ([]Range, error) {
	if size < HoleSize {
		return nil, nil
	}
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	defer unix.Close(file.fd)
	out, err := dataRanges(file, size, func(off int64) int64 { return nextData(file, off, size) })
	if err != nil {
		return nil, fmt.Errorf("look for holes in %s: %w", f.path, err)
	}
	return out, nil
}

// openFile is a file that is read once and closed. An os.File would first ask the
// kernel whether it can be polled, which is half the work for small files.
type openFile struct {
	fd   int
	path string
}

// ReadAt implements io.ReaderAt.
func (f openFile) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		k, err := unix.Pread(f.fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, &os.PathError{Op: "read", Path: f.path, Err: err}
		case k == 0:
			return n, io.EOF
		}
		n += k
	}
	return len(p), nil
}

// nextData skips known holes of the file system; the result is a multiple of
// HoleSize, or size.
func nextData(file openFile, off, size int64) int64 {
	if off >= size {
		return off
	}
	next, err := unix.Seek(file.fd, off, unix.SEEK_DATA)
	if err == unix.ENXIO {
		return size
	}
	if err != nil || next <= off {
		return off
	}
	return min(next/HoleSize*HoleSize, size)
}
