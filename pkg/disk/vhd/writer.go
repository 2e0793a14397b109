// SPDX-License-Identifier: MPL-2.0

package vhd

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// Options of the writers.
type Options struct {
	UUID [16]byte
	Time int64 // seconds since 1970; the format begins in 2000
}

// newFooter is the footer for a disk of size bytes, rounded up to sectors. Programs
// differ in whether they use the geometry or the size; with the creator "win ",
// QEMU and programs that copy it use the size.
func newFooter(size int64, kind uint32, o Options) (footer, error) {
	if size <= 0 || size > MaxSize {
		return footer{}, fmt.Errorf("disk of %d bytes: a VHD holds 1 byte to %d GiB", size, int64(MaxSize)>>30)
	}
	size = (size + sectorSize - 1) / sectorSize * sectorSize
	return footer{
		dataOffset: ^uint64(0), time: uint32(min(max(o.Time-epoch, 0), 1<<32-1)), creator: [4]byte{'w', 'i', 'n', ' '}, host: [4]byte{'W', 'i', '2', 'k'},
		size: uint64(size), geometry: newGeometry(size), kind: kind, uuid: o.UUID,
	}, nil
}

// FixedFooter turns the raw disk before it into a fixed VHD. The disk has to be
// padded to whole sectors first.
func FixedFooter(size int64, o Options) ([]byte, error) {
	f, err := newFooter(size, kindFixed, o)
	return f.bytes(), err
}

// writer writes a dynamic disk: footer, header and table at the front, blocks in
// the order of the disk, and the footer again.
type writer struct {
	w     io.WriterAt
	f     footer
	table []byte
	block int64 // number of the last one
	next  int64 // offset of the next one
}

// NewDynamic writes a disk of size bytes, rounded up to sectors, to w, a new and
// empty file: parts that are not written must read as zero.
func NewDynamic(w io.WriterAt, size int64, o Options) (pipeline.Sink, error) {
	f, err := newFooter(size, kindDynamic, o)
	if err != nil {
		return nil, err
	}
	f.dataOffset = footerSize
	v := &writer{w: w, f: f, block: -1, table: make([]byte, (tableBytes(size)+sectorSize-1)/sectorSize*sectorSize)}
	for i := range v.table {
		v.table[i] = 0xFF // unused
	}
	v.next = tableAt + int64(len(v.table))
	return v, nil
}

// tableBytes is the length of the table's entries.
func tableBytes(size int64) int64 { return (size + blockSize - 1) / blockSize * 4 }

// NewEncoder implements pipeline.Sink.
func (v *writer) NewEncoder() func(*pipeline.Chunk) error {
	return func(c *pipeline.Chunk) error {
		return c.Blocks(runSize, func(off int64, b []byte) error {
			return c.Add(off, func(dst []byte) ([]byte, error) { return append(dst, b...), nil })
		})
	}
}

// Write implements pipeline.Sink.
func (v *writer) Write(c *pipeline.Chunk) error {
	for i, at := 0, 0; i < len(c.Spans); i++ {
		s := c.Spans[i]
		if err := v.open(s.Off / blockSize); err != nil {
			return err
		}
		if _, err := v.w.WriteAt(c.Out[at:at+s.Len], v.next-blockSize+s.Off%blockSize); err != nil {
			return err
		}
		at += s.Len
	}
	return nil
}

// open begins a new block at the end of the file, with a bitmap that includes all
// its sectors.
func (v *writer) open(block int64) error {
	if block == v.block {
		return nil
	}
	v.block = block
	binary.BigEndian.PutUint32(v.table[block*4:], uint32(v.next/sectorSize))
	b := make([]byte, bitmapSize)
	for i := range b {
		b[i] = 0xFF
	}
	_, err := v.w.WriteAt(b, v.next)
	v.next += bitmapSize + blockSize
	return err
}

// End writes the table, the header and both footers.
func (v *writer) End() error {
	h := dynamicHeader{table: tableAt, entries: uint32(tableBytes(int64(v.f.size)) / 4), blockSize: blockSize}
	for _, p := range []struct {
		b  []byte
		at int64
	}{
		{v.f.bytes(), v.next}, {v.table, tableAt}, {h.bytes(), footerSize}, {v.f.bytes(), 0},
	} {
		if _, err := v.w.WriteAt(p.b, p.at); err != nil {
			return err
		}
	}
	return nil
}
