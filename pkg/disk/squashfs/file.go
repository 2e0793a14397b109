// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"fmt"
	"io"
	"sort"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// file is the place of the content of a regular file. A file smaller than a block
// is in a fragment, all others are in blocks of their own.
type file struct {
	entry *tree.Entry
	same  *file // file with the same content, whose stored data is used

	start    int64    // offset of the blocks in the image
	sizes    []uint32 // sizes of blocks; 0 is a block of zeros
	sparse   int64    // bytes in such blocks
	fragment uint32
	offset   uint32 // in the fragment
}

// stored is the file whose content is on disk.
func (f *file) stored() *file {
	if f.same != nil {
		return f.same
	}
	return f
}

// small reports whether the file is stored in a fragment.
func (f *file) small() bool { return f.entry.Size < blockSize }

// hole is how many blocks, from block i on, of n, have no data. from is the first
// range that may end after block i.
func (f *file) hole(i, n int64, from *int) int64 {
	if f.entry.Data == nil {
		return 0
	}
	for rs := f.entry.Data; *from < len(rs); *from++ {
		if r := rs[*from]; r.Len > 0 && r.Off+r.Len > i*blockSize {
			return max(r.Off/blockSize-i, 0)
		}
	}
	return n - i
}

// read reads a piece of the file into p; holes become zeros.
func (f *file) read(p []byte, off int64) error {
	if f.entry.Data == nil {
		return f.readAt(p, off)
	}
	clear(p)
	rs := f.entry.Data
	first := sort.Search(len(rs), func(i int) bool { return rs[i].Off+rs[i].Len > off })
	for _, r := range rs[first:] {
		start, end := max(r.Off, off), min(r.Off+r.Len, off+int64(len(p)))
		if r.Off >= off+int64(len(p)) {
			break
		}
		if start < end {
			if err := f.readAt(p[start-off:end-off], start); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *file) readAt(p []byte, off int64) error {
	n, err := f.entry.Content.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &EntryError{FS: fsName, Path: f.entry.Path, Err: fmt.Errorf("read at %d: %w", off+int64(n), err)}
}
