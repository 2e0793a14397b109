// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// writer makes the bytes of what is laid out. Contents stay where they are.
type writer struct {
	*layout
	meta    []byte // all that is made, one run after the other
	runs    []image.Extent
	extents []image.Extent
}

// put writes made bytes at an offset. Little room in front is filled with zeros,
// so that there are few extents.
func (w *writer) put(off int64, b []byte) {
	if i := len(w.runs) - 1; i >= 0 {
		last := &w.runs[i]
		if gap := off - last.Off - last.Len; gap >= 0 && gap < blockSize && last.Src == nil {
			w.meta = append(append(w.meta, make([]byte, gap)...), b...)
			last.Len += gap + int64(len(b))
			return
		}
	}
	w.runs = append(w.runs, image.Extent{Off: off, Len: int64(len(b)), SrcOff: int64(len(w.meta))})
	w.meta = append(w.meta, b...)
}

// content puts n bytes of a file, from offset at on, at an offset.
func (w *writer) content(e *tree.Entry, at, n, off int64) {
	ranges := e.Ranges()
	first := sort.Search(len(ranges), func(i int) bool { return ranges[i].Off+ranges[i].Len > at })
	for _, r := range ranges[first:] {
		from, to := max(r.Off, at), min(r.Off+r.Len, at+n)
		if from < to {
			w.extents = append(w.extents, image.Extent{Off: off + from - at, Len: to - from, Src: e.Content, SrcOff: from})
		}
		if r.Off >= at+n {
			break
		}
	}
}

// finish is all of the image.
func (w *writer) finish() []image.Extent {
	for _, x := range w.runs {
		if x.Src == nil {
			x.Src = image.Bytes(w.meta)
		}
		w.extents = append(w.extents, x)
	}
	return w.extents
}

func (w *writer) superblock(o Options) {
	s := superblock{
		Magic: magic, Compat: compatChecksum | compatMtime, BlockLog: blockLog, RootNid: uint16(w.inodes[0].nid()),
		Inodes: uint64(len(w.inodes)), Time: uint64(o.Time), Blocks: uint32(w.blocks), UUID: o.UUID,
	}
	copy(s.Label[:], o.Label)
	if w.holes {
		s.Incompat = incompatChunks
	}
	b := make([]byte, blockSize-superOffset)
	copy(b, s.bytes())
	s.Checksum = checksum(b)
	w.put(superOffset, s.bytes())
}

// inode writes an inode, what is behind it, and its data.
func (w *writer) inode(n *inode) {
	w.put(n.pos, append(n.encode(), n.xattrs...))
	behind := n.pos + n.headSize()
	switch e := n.entry; e.Type() {
	case tree.Dir:
		w.directory(n, behind)
	case tree.Symlink:
		w.data(n, []byte(e.Link), behind)
	case tree.Regular:
		if n.layout == layoutChunks {
			w.chunks(n, behind)
			return
		}
		whole := n.size - n.tail
		w.content(e, 0, whole, int64(n.block)*blockSize)
		w.tail(n, whole, behind)
	}
}

// tail has the tail of a file behind its inode. The run of made bytes ends there.
func (w *writer) tail(n *inode, whole, behind int64) {
	if n.tail == 0 {
		return
	}
	w.content(n.entry, whole, n.tail, behind)
	// A run with a source is not gone on with; of no bytes, it is dropped.
	w.runs = append(w.runs, image.Extent{Off: behind, Src: image.Zeros{}})
}

// data has made data in its blocks or behind the inode.
func (w *writer) data(n *inode, b []byte, behind int64) {
	whole := int64(len(b)) - n.tail
	if whole > 0 {
		w.later(int64(n.block)*blockSize, b[:whole])
	}
	if n.tail > 0 {
		w.put(behind, b[whole:])
	}
}

// later puts made bytes among the blocks of data, apart from the run of inodes.
func (w *writer) later(off int64, b []byte) {
	w.extents = append(w.extents, image.Extent{Off: off, Len: int64(len(b)), Src: image.Bytes(b)})
}

// directory is the data of a directory.
func (w *writer) directory(n *inode, behind int64) {
	var b []byte
	for _, names := range n.blocks() {
		b = append(b, make([]byte, -len(b)&(blockSize-1))...)
		at := len(names) * direntSize
		for _, x := range names {
			b = le.AppendUint64(b, x.nid())
			b = le.AppendUint16(b, uint16(at))
			b = append(b, fileType(x.entry.Mode), 0)
			at += len(x.name)
		}
		for _, x := range names {
			b = append(b, x.name...)
		}
	}
	w.data(n, b, behind)
}

// chunks is the map of a file's chunks, and what is in them.
func (w *writer) chunks(n *inode, behind int64) {
	b := make([]byte, 0, 4*len(n.chunks))
	size := int64(blockSize) << n.log
	for i, c := range n.chunks {
		if c < 0 {
			b = le.AppendUint32(b, noBlock)
			continue
		}
		b = le.AppendUint32(b, n.block+uint32(c))
		at := int64(i) * size
		w.content(n.entry, at, min(size, n.size-at), (int64(n.block)+c)*blockSize)
	}
	w.put(behind, b)
}

// encode is the inode itself.
func (n *inode) encode() []byte {
	e, format, count := n.entry, n.layout<<1, 0
	if len(n.xattrs) > 0 {
		count = (len(n.xattrs)-xattrHeader)/4 + 1
	}
	place := n.block
	switch {
	case e.Type() == tree.Char || e.Type() == tree.Block:
		place = e.Rdev.Minor&0xff | e.Rdev.Major<<8 | e.Rdev.Minor&^0xff<<12
	case n.layout == layoutChunks:
		place = uint32(n.log)
	case n.size-n.tail == 0:
		place = 0
	}
	var v any = compactInode{
		Format: format, XattrCount: uint16(count), Mode: uint16(e.Mode), Links: uint16(n.links),
		Size: uint32(n.size), Place: place, Ino: n.number, UID: uint16(e.UID), GID: uint16(e.GID),
	}
	if n.extended {
		v = extendedInode{
			Format: format | 1, XattrCount: uint16(count), Mode: uint16(e.Mode), Size: uint64(n.size), Place: place,
			Ino: n.number, UID: e.UID, GID: e.GID, Mtime: e.Mtime, MtimeNsec: uint32(e.MtimeNsec), Links: n.links,
		}
	}
	var b bytes.Buffer
	binary.Write(&b, le, v) // fixed size, to memory: no error
	return b.Bytes()
}
