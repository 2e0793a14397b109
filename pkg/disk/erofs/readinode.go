// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"encoding/binary"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// found is an inode that was read.
type found struct {
	rofs.Inode // its ID is the node id
	f          *FS
	up         uint64 // of a directory: the node id that .. must have

	layout uint16
	size   int64 // of the data
	start  int64 // offset of its blocks on the device
	behind int64 // end of the inode and its attributes: start of a tail or a map of chunks
	chunk  int64 // bytes of a chunk
	chunks []uint32
}

// inode reads the inode of a node id.
func (f *FS) inode(nid uint64, c *cache) (*found, error) {
	at, err := f.place(nid)
	if err != nil {
		return nil, err
	}
	b, err := f.read(at, compactSize)
	if err != nil {
		return nil, err
	}
	n := &found{Inode: rofs.Inode{ID: nid}, f: f}
	format, count := le.Uint16(b), int64(le.Uint16(b[2:]))
	n.layout = format >> 1 & 7
	if format>>4 != 0 || n.layout > layoutChunks {
		return nil, formatError("inode of format %#x", format)
	}
	n.behind = at + compactSize
	var place uint32
	if format&1 == 0 {
		place = n.compact(b)
	} else {
		if b, err = f.read(at, extendedSize); err != nil {
			return nil, err
		}
		n.behind = at + extendedSize
		place = n.extended(b)
	}
	if n.size < 0 || n.Entry.MtimeNsec < 0 || n.Entry.MtimeNsec >= 1e9 || fileType(n.Entry.Mode) == 0 {
		return nil, formatError("inode of mode %#o, with %d bytes and %d nanoseconds", n.Entry.Mode, n.size, n.Entry.MtimeNsec)
	}
	if count > 0 {
		size := xattrHeader + 4*(count-1)
		if n.Entry.Xattrs, err = f.xattrs(n.behind, size, c); err != nil {
			return nil, err
		}
		n.behind += size
	}
	return n, n.fill(place, c.cost)
}

func (n *found) compact(b []byte) (place uint32) {
	var i compactInode
	binary.Read(bytes.NewReader(b), le, &i) // a read of fixed size from memory cannot fail
	n.size, n.Links = int64(i.Size), uint32(i.Links)
	n.Entry = tree.Entry{
		Mode: uint32(i.Mode), UID: uint32(i.UID), GID: uint32(i.GID), Mtime: n.f.Time(), MtimeNsec: int32(n.f.super.Nsec),
	}
	return i.Place
}

func (n *found) extended(b []byte) (place uint32) {
	var i extendedInode
	binary.Read(bytes.NewReader(b), le, &i) // a read of fixed size from memory cannot fail
	n.size, n.Links = int64(i.Size), i.Links
	n.Entry = tree.Entry{Mode: uint32(i.Mode), UID: i.UID, GID: i.GID, Mtime: i.Mtime, MtimeNsec: int32(i.MtimeNsec)}
	return i.Place
}

// fill reads the parts that depend on the type.
func (n *found) fill(place uint32, cost func(int64) error) error {
	e := &n.Entry
	n.start = int64(place) * n.f.block
	switch e.Type() {
	case tree.Char, tree.Block:
		e.Rdev = tree.Device{Major: place >> 8 & 0xfff, Minor: place&0xff | place>>12&0xfff00}
	case tree.Regular, tree.Dir, tree.Symlink:
		if err := n.arrange(place, cost); err != nil {
			return err
		}
	}
	switch e.Type() {
	case tree.Regular:
		e.Size = n.size
	case tree.Symlink:
		if n.size == 0 || n.size > 1<<16 {
			return formatError("symbolic link of %d bytes", n.size)
		}
		if err := cost(n.size); err != nil {
			return err
		}
		b := make([]byte, n.size)
		if err := n.read(b, 0); err != nil {
			return err
		}
		if e.Link = string(b); bytes.IndexByte(b, 0) >= 0 {
			return formatError("symbolic link to %.80q", b)
		}
	}
	return nil
}

// arrange checks the place of the data. For compressed files it stays unknown.
func (n *found) arrange(place uint32, cost func(int64) error) error {
	switch n.layout {
	case layoutPlain:
		return n.within(n.size)
	case layoutInline:
		tail := n.size % n.f.block
		if n.behind%n.f.block+tail > n.f.block || n.behind > n.f.size-tail {
			return formatError("%d bytes behind the inode, at %d, cross a block", tail, n.behind)
		}
		return n.within(n.size - tail)
	case layoutChunks:
		return n.chunkMap(place, cost)
	}
	if n.Entry.Type() != tree.Regular {
		return formatError("a compressed directory or link")
	}
	return nil
}

// within checks contiguous blocks.
func (n *found) within(size int64) error {
	if size > n.f.size || size > 0 && n.start > n.f.size-size {
		return formatError("%d bytes at %d are behind its %d", size, n.start, n.f.size)
	}
	return nil
}

// chunkMap reads the map of chunks.
func (n *found) chunkMap(format uint32, cost func(int64) error) error {
	if format&^(chunkLogMask|chunkIndexes) != 0 {
		return formatError("chunks of format %#x", format)
	}
	n.chunk = n.f.block << (format & chunkLogMask)
	unit := int64(4)
	if format&chunkIndexes != 0 {
		unit = 8
	}
	count := n.size / n.chunk
	if n.size%n.chunk > 0 {
		count++
	}
	if count > n.f.size/unit {
		return formatError("%d chunks, of %d bytes", count, n.chunk)
	}
	if err := cost((unit + 24) * count); err != nil {
		return err
	}
	b, err := n.f.read(up(n.behind, unit), unit*count)
	if err != nil {
		return err
	}
	n.chunks = make([]uint32, count)
	for i := range n.chunks {
		if unit == 8 && le.Uint16(b[8*i+2:]) != 0 {
			return damage.Unreadf("a chunk on device %d", le.Uint16(b[8*i+2:]))
		}
		n.chunks[i] = le.Uint32(b[int64(i+1)*unit-4:])
		size := min(n.chunk, n.size-int64(i)*n.chunk)
		if at := int64(n.chunks[i]) * n.f.block; n.chunks[i] != noBlock && at > n.f.size-size {
			return formatError("a chunk of %d bytes at %d is behind its %d", size, at, n.f.size)
		}
	}
	n.holes()
	return nil
}
