// SPDX-License-Identifier: MPL-2.0

package ext4

import "math"

// piece is a run of a file's blocks: n blocks of the device from start on, which
// are the file's blocks from logical on. Unwritten blocks are allocated and read as
// zero.
type piece struct {
	logical, start, n int64
	unwritten         bool
}

// walker visits the blocks of an inode in order.
type walker struct {
	f     *FS
	n     record
	from  int64                            // pieces that end at or before this block of the file are skipped
	to    int64                            // and those that start at it or after it, unless 0
	tree  func(no int64, raw []byte) error // called for each block of pointers or extents; may be nil
	piece func(p piece) (more bool, err error)
	// starts is called with the block of the file that a node of extents begins
	// with, according to its parent and to itself; may be nil.
	starts func(says, has int64)
	next   int64 // lowest block of the file that may come next
	done   bool
}

// walk calls the functions until piece returns false.
func (w *walker) walk() error {
	if w.f.inline(w.n) {
		return nil
	}
	words := w.n.words()
	if w.n.flags()&flagExtents != 0 {
		return w.extents(words, -1, math.MaxUint32+1)
	}
	for i := range int64(12) {
		if err := w.pointer(int64(le.Uint32(words[4*i:])), i, 0); err != nil || w.done {
			return err
		}
	}
	per, logical, span := w.f.block/4, int64(12), int64(1)
	for level := 1; level <= 3; level++ {
		if err := w.pointer(int64(le.Uint32(words[4*(11+level):])), logical, level); err != nil || w.done {
			return err
		}
		span *= per
		logical += span
	}
	return nil
}

// pointer follows a pointer of the old form to data or, at a level above 0, to a
// block of pointers.
func (w *walker) pointer(no, logical int64, level int) error {
	per, span := w.f.block/4, int64(1)
	for range level {
		span *= per
	}
	switch {
	case w.to > 0 && logical >= w.to:
		w.done = true
		return nil
	case no == 0 || logical+span <= w.from:
		return nil
	case level == 0:
		return w.emit(piece{logical: logical, start: no, n: 1})
	}
	b, err := w.block(no)
	if err != nil {
		return err
	}
	for i := range per {
		if err := w.pointer(int64(le.Uint32(b[4*i:])), logical+i*span/per, level-1); err != nil || w.done {
			return err
		}
	}
	return nil
}

func (w *walker) block(no int64) ([]byte, error) {
	b, err := w.f.read(no)
	if err == nil && w.tree != nil {
		err = w.tree(no, b)
	}
	return b, err
}

func (w *walker) emit(p piece) error {
	if p.start < w.f.first || p.n > w.f.blocks-p.start {
		return formatError("inode %d has blocks %d to %d, and there are %d", w.n.ino, p.start, p.start+p.n-1, w.f.blocks)
	}
	more, err := w.piece(p)
	w.done = w.done || !more
	return err
}

// extents visits a node of an extent tree, of the given depth (-1 to use that of
// the root), in which the file's blocks end before limit. Blocks must ascend over
// the whole tree, so that no node is visited twice.
func (w *walker) extents(b []byte, depth int, limit int64) error {
	count, most, d := int(le.Uint16(b[2:])), (len(b)-extentSize)/extentSize, int(le.Uint16(b[6:]))
	switch {
	case le.Uint16(b) != extentMagic:
		return formatError("inode %d: no extents where they should be", w.n.ino)
	case count > most || int(le.Uint16(b[4:])) > most || count > int(le.Uint16(b[4:])):
		return formatError("inode %d: %d extents in a node for %d", w.n.ino, count, most)
	case depth >= 0 && (d != depth || count == 0) || d > 5:
		return formatError("inode %d: a node of extents of depth %d with %d entries", w.n.ino, d, count)
	}
	for i := range count {
		e := b[extentSize*(1+i):][:extentSize]
		end := limit
		if i+1 < count {
			end = int64(le.Uint32(b[extentSize*(2+i):]))
		}
		if err := w.extent(e, d, end); err != nil || w.done {
			return err
		}
	}
	return nil
}

// extent visits an entry of a node, which ends before block end of the file.
func (w *walker) extent(e []byte, depth int, end int64) error {
	logical := int64(le.Uint32(e))
	if logical < w.next || logical >= end {
		return formatError("inode %d: the extent of block %d is out of order", w.n.ino, logical)
	}
	w.next = logical
	if w.to > 0 && logical >= w.to {
		w.done = true
		return nil
	}
	if depth > 0 {
		if end <= w.from {
			return nil
		}
		b, err := w.block(int64(le.Uint32(e[4:])) | int64(le.Uint16(e[8:]))<<32)
		if err != nil {
			return err
		}
		if w.starts != nil && le.Uint16(b[2:]) > 0 {
			w.starts(logical, int64(le.Uint32(b[extentSize:])))
		}
		return w.extents(b, depth-1, end)
	}
	p := piece{logical: logical, n: int64(le.Uint16(e[4:])), start: int64(le.Uint32(e[8:])) | int64(le.Uint16(e[6:]))<<32}
	if p.n > maxExtent {
		p.n, p.unwritten = p.n-maxExtent, true
	}
	if p.n == 0 || p.n > end-logical {
		return formatError("inode %d: an extent of %d blocks for block %d", w.n.ino, p.n, logical)
	}
	w.next = logical + p.n
	if w.next <= w.from {
		return nil
	}
	return w.emit(p)
}
