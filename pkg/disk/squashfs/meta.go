// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"fmt"
	"math"
)

// ref is a place in a table: the offset of a block of metadata, and the offset in
// the uncompressed block.
type ref struct {
	block  uint32
	offset uint16
}

func (r ref) uint64() uint64 { return uint64(r.block)<<16 | uint64(r.offset) }

// table is a run of blocks of metadata.
type table struct {
	compress compressor
	out      []byte   // finished blocks
	starts   []uint64 // their offsets
	open     []byte   // content of the current block, never full
	err      error    // sticky
}

// at is the place of the next byte.
func (t *table) at() ref { return ref{uint32(len(t.out)), uint16(len(t.open))} }

func (t *table) add(p []byte) {
	for len(p) > 0 {
		n := min(len(p), metaSize-len(t.open))
		t.open = append(t.open, p[:n]...)
		p = p[n:]
		if len(t.open) == metaSize {
			t.flush()
		}
	}
}

// flush ends the current block.
func (t *table) flush() {
	if len(t.open) == 0 {
		return
	}
	packed, raw, err := t.compress.shrink(t.open)
	if err != nil && t.err == nil {
		t.err = err
	}
	size := uint16(len(packed))
	if raw {
		size |= rawMeta
	}
	t.starts = append(t.starts, uint64(len(t.out)))
	t.out = append(le.AppendUint16(t.out, size), packed...)
	t.open = t.open[:0]
	if len(t.out) > math.MaxInt32 && t.err == nil {
		t.err = fmt.Errorf("squashfs: a table would be larger than 2 GiB")
	}
}

// metadata writes everything after the data.
type metadata struct {
	*content
	compress compressor
	super    superblock

	inodes, dirs table
	ids          map[uint32]uint16
	idList       []byte
	xattrs       xattrTable
}

// build makes the tables after the data, and the superblock.
func (m *metadata) build(d *dataWriter, id uint16, o Options) ([]byte, error) {
	m.inodes.compress, m.dirs.compress = m.compress, m.compress
	m.xattrs = newXattrTable(m.compress)
	for _, n := range m.order {
		if err := m.add(n); err != nil {
			return nil, &EntryError{FS: fsName, Path: n.entry.Path, Err: err}
		}
	}
	m.super = superblock{
		Magic: magic, Inodes: uint32(len(m.order)), Time: seconds(o.Time), BlockSize: blockSize,
		Fragments: uint32(len(d.fragments) / fragmentSize), Compression: id, BlockLog: blockLog,
		Flags: flagDuplicates, IDs: uint16(len(m.ids)), Major: 4, Root: m.root.at.uint64(),
		FragmentTable: noTable, ExportTable: noTable, XattrTable: noTable,
	}
	w := &tail{base: uint64(d.pos), compress: m.compress}
	// The kernel requires this order, and that each table ends where the next begins.
	m.super.InodeTable = w.table(&m.inodes)
	m.super.DirTable = w.table(&m.dirs)
	if len(d.fragments) > 0 {
		m.super.FragmentTable = w.indexed(d.fragments)
	} else {
		m.super.Flags |= flagNoFragments
	}
	if o.Export {
		m.super.Flags |= flagExport
		m.super.ExportTable = w.indexed(m.refs())
	}
	m.super.IDTable = w.indexed(m.idList)
	if len(m.xattrs.ids) > 0 {
		m.super.XattrTable = w.xattrs(&m.xattrs)
	}
	m.super.Size = w.end()
	return w.out, w.err
}

// refs are the inodes by number.
func (m *metadata) refs() []byte {
	out := make([]byte, 0, 8*len(m.order))
	for _, n := range m.order {
		out = le.AppendUint64(out, n.at.uint64())
	}
	return out
}

// id is the index of an owner.
func (m *metadata) id(owner uint32) (uint16, error) {
	i, ok := m.ids[owner]
	if !ok {
		if len(m.ids) == maxIDs {
			return 0, ErrOwners
		}
		i = uint16(len(m.ids))
		m.ids[owner] = i
		m.idList = le.AppendUint32(m.idList, owner)
	}
	return i, nil
}

// tail collects tables.
type tail struct {
	base     uint64 // offset in the image
	compress compressor
	out      []byte
	err      error
}

func (w *tail) end() uint64 { return w.base + uint64(len(w.out)) }

// table appends a table and returns its offset.
func (w *tail) table(t *table) uint64 {
	t.flush()
	if t.err != nil && w.err == nil {
		w.err = t.err
	}
	start := w.end()
	w.out = append(w.out, t.out...)
	return start
}

// indexed appends a table and a list of its blocks, and returns the list's offset.
func (w *tail) indexed(p []byte) uint64 {
	t := table{compress: w.compress}
	t.add(p)
	base := w.table(&t)
	start := w.end()
	w.list(base, t.starts)
	return start
}

func (w *tail) list(base uint64, starts []uint64) {
	for _, s := range starts {
		w.out = le.AppendUint64(w.out, base+s)
	}
}

// xattrs appends the attributes and their lookup tables.
func (w *tail) xattrs(x *xattrTable) uint64 {
	values := w.table(&x.values)
	t := table{compress: w.compress}
	t.add(x.ids)
	base := w.table(&t)
	start := w.end()
	w.out = le.AppendUint64(w.out, values)
	w.out = le.AppendUint64(w.out, uint64(len(x.ids)/xattrID))
	w.list(base, t.starts)
	return start
}
