// SPDX-License-Identifier: MPL-2.0

// Package squashfs turns a tree into a squashfs 4.0 file system, compressed, in
// blocks of 128 KiB, and reads file systems with blocks of any size.
//
// Files smaller than a block share blocks (fragments), files with the same content
// are stored once, blocks of zeros are not stored. Build reads every file once,
// compresses with several workers, and writes front to back to a spool; the same
// tree and options give the same bytes whatever the number of workers.
//
// Times are whole seconds from 1970 to 2106; others become the nearest of these.
// Left out: writing lzo and lz4, lzma, access control lists (which squashfs cannot
// store), and changing a file system.
package squashfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Compression of data and metadata.
type Compression string

// Compressions; the kernel needs the decompressor of the one in use.
const (
	Zstd Compression = "zstd"
	Gzip Compression = "gzip"
	XZ   Compression = "xz"
)

// Options are the properties that do not come from the tree.
type Options struct {
	Compression Compression // "" is Zstd
	Time        int64       // seconds since 1970, of the file system's creation
	Export      bool        // a table of inodes, which an NFS server needs
	Workers     int         // goroutines that read and compress; 0 means one per CPU
}

// Spool stores the file system, from offset 0 on, as long as the image is in use;
// for instance a file without a name.
type Spool interface {
	io.WriterAt
	io.ReaderAt
}

// Reasons of an EntryError.
var (
	ErrTree        = rofs.ErrTree
	ErrNameTooLong = rofs.ErrNameTooLong
	ErrLinkTooLong = rofs.ErrLinkTooLong
	ErrXattr       = rofs.ErrXattr
	ErrDevice      = rofs.ErrDevice
	ErrFileSize    = errors.New("file is larger than 4 TiB")
	ErrDirSize     = errors.New("directory has too many entries")
	ErrOwners      = errors.New("more than 65535 different owners")
)

// EntryError is about one entry of the tree.
type EntryError = rofs.EntryError

// fsName is the kind of file system.
const fsName = "squashfs"

// Build writes the file system of t to the spool, and returns an image of it.
// Memory use grows with the number of entries and not with their content.
func Build(ctx context.Context, t *tree.Tree, spool Spool, o Options) (*image.Image, error) {
	newCompressor, id, err := compression(o.Compression)
	if err != nil {
		return nil, err
	}
	c, err := newContent(t)
	if err != nil {
		return nil, err
	}
	d := &dataWriter{spool: spool, pos: superSize}
	if err := d.run(ctx, c.files, newCompressor, o.Workers); err != nil {
		return nil, err
	}
	m := &metadata{content: c, compress: newCompressor(), ids: map[uint32]uint16{}}
	rest, err := m.build(d, id, o)
	if err != nil {
		return nil, err
	}
	if _, err := spool.WriteAt(rest, d.pos); err != nil {
		return nil, fmt.Errorf("write squashfs: %w", err)
	}
	if _, err := spool.WriteAt(m.super.bytes(), 0); err != nil {
		return nil, fmt.Errorf("write squashfs: %w", err)
	}
	used := int64(m.super.Size)
	img, err := image.New((used+align-1)/align*align, []image.Extent{{Len: used, Src: spool}})
	if err != nil {
		return nil, fmt.Errorf("squashfs: %w", err)
	}
	return img, nil
}

// seconds is a time in the form of the format.
func seconds(t int64) uint32 { return uint32(min(max(t, 0), math.MaxUint32)) }
