// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// checkName checks one component of a path.
func checkName(name string) error {
	switch {
	case len(name) > maxName:
		return fmt.Errorf("%w: %d bytes", ErrNameTooLong, len(name))
	case name == "" || name == "." || name == ".." || strings.IndexByte(name, 0) >= 0:
		return fmt.Errorf("%w: %q is not a name", ErrTree, name)
	}
	return nil
}

// checkEntry checks whether an entry that is not a hard link can be written, and
// returns whether it needs an attribute block.
func checkEntry(e *tree.Entry) (xattrBlock bool, err error) {
	if e.Mode > 0xffff {
		return false, fmt.Errorf("%w: mode %#o", ErrTree, e.Mode)
	}
	if e.MtimeNsec < 0 || e.MtimeNsec >= 1e9 {
		return false, fmt.Errorf("%w: %d nanoseconds", ErrTree, e.MtimeNsec)
	}
	switch e.Type() {
	case tree.Regular:
		err = checkFile(e)
	case tree.Symlink:
		if len(e.Link) > maxTarget {
			err = fmt.Errorf("%w: %d bytes", ErrLinkTooLong, len(e.Link))
		} else if e.Link == "" || strings.IndexByte(e.Link, 0) >= 0 {
			err = fmt.Errorf("%w: symbolic link to %q", ErrTree, e.Link)
		}
	case tree.Char, tree.Block:
		if e.Rdev.Major >= 1<<12 || e.Rdev.Minor >= 1<<20 {
			err = fmt.Errorf("%w: %d:%d", ErrDevice, e.Rdev.Major, e.Rdev.Minor)
		}
	case tree.Dir, tree.FIFO, tree.Socket:
	default:
		err = fmt.Errorf("%w: mode %#o has no type", ErrTree, e.Mode)
	}
	if err != nil || len(e.Xattrs) == 0 {
		return false, err
	}
	_, block, err := splitXattrs(e.Xattrs)
	return len(block) > 0, err
}

// checkFile checks size, ranges and content of a regular file.
func checkFile(e *tree.Entry) error {
	if e.Size < 0 {
		return fmt.Errorf("%w: size %d", ErrTree, e.Size)
	}
	if e.Size > maxBlocks*blockSize {
		return fmt.Errorf("%w: %d bytes", ErrFileSize, e.Size)
	}
	if e.Size > 0 && e.Content == nil && (e.Data == nil || len(e.Data) > 0) {
		return fmt.Errorf("%w: no content", ErrTree)
	}
	end := int64(0)
	for _, r := range e.Data {
		if r.Off < end || r.Len < 0 || r.Len > e.Size-r.Off {
			return fmt.Errorf("%w: %d bytes of data at %d overlap the data before (ends at %d) or the end of the file (%d)", ErrTree, r.Len, r.Off, end, e.Size)
		}
		end = r.Off + r.Len
	}
	return nil
}

// blockRanges are the runs of blocks, n from logical on, that contain data of a
// regular file.
func blockRanges(e *tree.Entry, yield func(logical, n int64)) {
	if e.Data == nil {
		if n := blocks(e.Size); n > 0 {
			yield(0, n)
		}
		return
	}
	start, end := int64(0), int64(0)
	for _, r := range e.Data {
		if r.Len == 0 {
			continue
		}
		first, last := r.Off/blockSize, blocks(r.Off+r.Len)
		if first <= end {
			end = max(end, last)
			continue
		}
		if end > start {
			yield(start, end-start)
		}
		start, end = first, last
	}
	if end > start {
		yield(start, end-start)
	}
}

// blocks is the number of blocks for n bytes.
func blocks(n int64) int64 { return (n + blockSize - 1) / blockSize }
