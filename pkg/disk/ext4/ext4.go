// SPDX-License-Identifier: MPL-2.0

// Package ext4 turns a tree into an ext4 file system, as an image whose bytes
// are computed when they are read.
//
// Build only plans: it numbers inodes, sizes directories and places blocks. Inode
// tables, directories, bitmaps and trees of extents are generated block by block
// when the image is read, and file contents are read only then, so a plan takes
// some tens of bytes per file, and a file system of 2 TiB costs no more than its
// content. The same tree and options give the same bytes.
//
// What it writes is what mke2fs writes by default (has_journal, ext_attr,
// resize_inode, dir_index, filetype, extent, 64bit, flex_bg, sparse_super,
// large_file, huge_file, dir_nlink, extra_isize, metadata_csum), in blocks of
// 4096 bytes and inodes of 256 bytes, so the kernel can write to it, check it
// and grow it while it is mounted. Directories that need more than one block
// have a hash tree, as the kernel gives them.
//
// Options.Compat leaves out 64bit and metadata_csum, and has uninit_bg, as
// mke2fs did before 1.43: for boot loaders of that time, which take group
// descriptors for 32 bytes large.
//
// Left out: other block and inode sizes, file systems of 16 TiB and more,
// values of extended attributes that need their own inode (ea_inode),
// project quotas, encryption, verity and case folding.
package ext4

import (
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Options are the properties that do not come from the tree.
type Options struct {
	// Size of the file system in bytes, rounded down to 4096; 0 is the smallest in
	// which the tree and Free fit. As with mke2fs, a last group of blocks that is
	// too small for its own metadata is left unused.
	Size int64
	// Free is the space for ordinary users, in bytes, as statfs(2) reports it in
	// f_bavail: besides the content, the share of ReservedPercent and what the
	// kernel reserves (2 %, at most 16 MiB). Only with Size 0.
	Free int64

	Label    string // at most 16 bytes, no NUL
	UUID     [16]byte
	HashSeed [16]byte // for directory hashes
	Time     int64    // seconds since 1970: creation of file system and inodes

	// Inodes is their exact number (rounded up to fill the groups' tables); 0 means
	// one for each InodeRatio bytes, but at least the number that the tree needs
	// plus an eighth and 256 more. InodeRatio 0 is 16384, as with mke2fs. The
	// format has no more than 32,768 in 128 MiB.
	Inodes     int64
	InodeRatio int64

	// ReservedPercent of the blocks are for the superuser; 0 is 5, as with
	// mke2fs, but at most 1 GiB; negative is none.
	ReservedPercent int

	// MaxSize in bytes is the size to which the file system can grow while mounted:
	// space for that many group descriptors is reserved, as the kernel cannot move
	// them. 0 is 1024 times the size; growth by more than 8 TiB cannot be planned
	// for.
	MaxSize int64

	// Compat is for U-Boot before 2016.11 and similar boot loaders: no 64bit, no
	// metadata_csum.
	Compat bool
}

// Errors that say why a tree or an option cannot be written. Those that concern an
// entry are wrapped in an EntryError with the path.
var (
	ErrTooLarge    = errors.New("file system would be 16 TiB or larger")
	ErrLabel       = errors.New("label does not fit 16 bytes")
	ErrTree        = errors.New("malformed tree")
	ErrNameTooLong = errors.New("name is longer than 255 bytes")
	ErrLinkTooLong = errors.New("target of symbolic link is longer than 4095 bytes")
	ErrXattr       = errors.New("extended attribute cannot be stored")
	ErrXattrSize   = errors.New("extended attributes are too large")
	ErrLinks       = errors.New("more than 65000 hard links")
	ErrFileSize    = errors.New("file is too large")
	ErrDirSize     = errors.New("directory has too many entries")
	ErrDevice      = errors.New("device number is too large")
)

// EntryError is about one entry of the tree.
type EntryError struct {
	Path string // as in the tree; "" is the root
	Err  error
}

func (e *EntryError) Error() string { return fmt.Sprintf("ext4: /%s: %v", e.Path, e.Err) }

// Unwrap gives the reason.
func (e *EntryError) Unwrap() error { return e.Err }

// SpaceError says that a tree does not fit into its file system. Needed and Usable
// do not include the file system's own tables and journal.
type SpaceError struct {
	Size            int64 // of the file system, in bytes
	Least           int64 // size of the smallest sufficient file system; 0 if there is none
	Needed, Usable  int64 // bytes, in whole blocks
	NeededInodes    int64
	AvailableInodes int64
	Path            string // first entry, in tree order, that does not fit
}

func (e *SpaceError) Error() string {
	at := ""
	if e.Path != "" {
		at = fmt.Sprintf(" (no room for /%s)", e.Path)
	}
	least := ""
	if e.Least > 0 {
		least = fmt.Sprintf("; it fits %d bytes", e.Least)
	}
	return fmt.Sprintf("ext4: content does not fit a file system of %d bytes: it needs %d bytes and %d inodes, there are %d bytes and %d inodes%s%s",
		e.Size, e.Needed, e.NeededInodes, e.Usable, e.AvailableInodes, at, least)
}

// Build plans a file system with the content of t. File contents are not read
// before the image is; t and everything that it refers to must not change as long
// as the image is in use. The image has o.Size bytes (rounded down), or the size
// that MinSize returns.
func Build(t *tree.Tree, o Options) (*image.Image, error) {
	l, err := plan(t, o)
	if err != nil {
		return nil, err
	}
	size := l.geo.blocks * blockSize
	if o.Size > 0 {
		size = o.Size / blockSize * blockSize
	}
	m, err := image.New(size, l.extents())
	if err != nil {
		return nil, fmt.Errorf("ext4: %w", err)
	}
	return m, nil
}

// MinSize is the size in bytes, a multiple of 4096, of the smallest file system in
// which t and o.Free fit; o.Size is ignored.
func MinSize(t *tree.Tree, o Options) (int64, error) {
	o.Size = 0
	l, err := plan(t, o)
	if err != nil {
		return 0, err
	}
	return l.geo.blocks * blockSize, nil
}

// plan checks the options and finds a layout.
func plan(t *tree.Tree, o Options) (*layout, error) {
	if len(o.Label) > 16 || strings.IndexByte(o.Label, 0) >= 0 {
		return nil, fmt.Errorf("ext4: %w: %q", ErrLabel, o.Label)
	}
	if o.Size < 0 || o.Free < 0 || o.Inodes < 0 || o.InodeRatio < 0 || o.MaxSize < 0 || o.ReservedPercent > 50 {
		return nil, fmt.Errorf("ext4: negative size, or more than half reserved: %+v", o)
	}
	c, err := newContent(t, newDirHash(o.HashSeed))
	if err != nil {
		return nil, err
	}
	var l *layout
	if o.Size > 0 {
		l, err = fit(c, o)
	} else {
		l, err = smallest(c, o)
	}
	if err != nil {
		return nil, err
	}
	l.describe()
	return l, nil
}
