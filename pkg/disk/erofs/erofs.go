// SPDX-License-Identifier: MPL-2.0

// Package erofs turns a tree into an EROFS file system, read-only and not
// compressed, in blocks of 4 KiB, and reads file systems with blocks of any size.
//
// Small files, and the last partial blocks of others, follow their inodes. Files
// with holes are stored in chunks, which Linux reads from 5.15 on; without any,
// from 5.4. Contents are not read before the image is: its size is known from the
// tree. The same tree and options give the same bytes.
//
// Left out: compression, which the reader reports as unsupported; writing
// attributes that several files share; more than one device.
package erofs

import (
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Options are the properties that do not come from the tree.
type Options struct {
	Label string // at most 15 bytes
	UUID  [16]byte
	Time  int64 // seconds since 1970, of the file system's creation
}

// Reasons of an EntryError.
var (
	ErrTree        = rofs.ErrTree
	ErrNameTooLong = rofs.ErrNameTooLong
	ErrLinkTooLong = rofs.ErrLinkTooLong
	ErrXattr       = rofs.ErrXattr
	ErrDevice      = rofs.ErrDevice
)

// ErrTooBig is the error for a size with more than 32 bits of blocks.
var ErrTooBig = errors.New("larger than 16 TiB, the most EROFS can address")

// EntryError is about one entry of the tree.
type EntryError = rofs.EntryError

// fsName is the kind of file system.
const fsName = "erofs"

// MinSize is the size of the image that Build makes, in bytes.
func MinSize(t *tree.Tree, o Options) (int64, error) {
	l, err := newLayout(t, o)
	if err != nil {
		return 0, err
	}
	return l.blocks * blockSize, nil
}

// Build makes the file system of t. Memory use grows with the number of entries,
// and not with their content.
func Build(t *tree.Tree, o Options) (*image.Image, error) {
	l, err := newLayout(t, o)
	if err != nil {
		return nil, err
	}
	w := &writer{layout: l}
	w.superblock(o)
	for _, n := range l.inodes {
		w.inode(n)
	}
	img, err := image.New(l.blocks*blockSize, w.finish())
	if err != nil {
		return nil, fmt.Errorf("erofs: %w", err)
	}
	return img, nil
}
