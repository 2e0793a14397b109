// SPDX-License-Identifier: MPL-2.0

// Package rofs has what the read-only file systems, EROFS and squashfs, have in
// common: which entries of a tree can be stored, how names and inodes are related,
// and the walk by which a tree is read back.
//
// Everything that concerns one format is left out: its structures, attributes, and
// the sizes that it can represent.
package rofs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Reasons of an EntryError.
var (
	ErrTree        = errors.New("malformed tree")
	ErrNameTooLong = errors.New("name is longer than 255 bytes")
	ErrLinkTooLong = errors.New("target of symbolic link is longer than 4095 bytes")
	ErrXattr       = errors.New("extended attribute cannot be stored")
	ErrDevice      = errors.New("device number is too large")
)

// EntryError is about one entry of a tree.
type EntryError struct {
	FS   string // the kind of file system
	Path string // as in the tree; "" is the root
	Err  error
}

func (e *EntryError) Error() string { return fmt.Sprintf("%s: /%s: %v", e.FS, e.Path, e.Err) }

// Unwrap gives the reason.
func (e *EntryError) Unwrap() error { return e.Err }

const (
	maxName   = 255
	maxTarget = 4095
)

// CheckName says what prevents a name from being stored.
func CheckName(s string) error {
	switch {
	case len(s) > maxName:
		return fmt.Errorf("%w: %d bytes", ErrNameTooLong, len(s))
	case s == "" || s == "." || s == ".." || strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%w: %q is not a name", ErrTree, s)
	}
	return nil
}

// CheckEntry says what prevents an entry from being stored, apart from its extended
// attributes.
func CheckEntry(e *tree.Entry) error {
	if e.Mode > 0xffff {
		return fmt.Errorf("%w: mode %#o", ErrTree, e.Mode)
	}
	switch e.Type() {
	case tree.Regular:
		return checkFile(e)
	case tree.Symlink:
		if len(e.Link) > maxTarget {
			return fmt.Errorf("%w: %d bytes", ErrLinkTooLong, len(e.Link))
		}
		if e.Link == "" || strings.IndexByte(e.Link, 0) >= 0 {
			return fmt.Errorf("%w: symbolic link to %q", ErrTree, e.Link)
		}
	case tree.Char, tree.Block:
		if e.Rdev.Major >= 1<<12 || e.Rdev.Minor >= 1<<20 {
			return fmt.Errorf("%w: %d:%d", ErrDevice, e.Rdev.Major, e.Rdev.Minor)
		}
	case tree.Dir, tree.FIFO, tree.Socket:
	default:
		return fmt.Errorf("%w: mode %#o has no type", ErrTree, e.Mode)
	}
	return nil
}

func checkFile(e *tree.Entry) error {
	if e.Size < 0 || e.Size > 0 && e.Content == nil && (e.Data == nil || len(e.Data) > 0) {
		return fmt.Errorf("%w: size %d, or no content", ErrTree, e.Size)
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
