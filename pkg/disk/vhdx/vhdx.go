// SPDX-License-Identifier: MPL-2.0

// Package vhdx writes the disk format of Hyper-V, dynamic, in one pass over the
// data, and reads and checks dynamic and fixed disks. Differencing disks, and
// files whose log is not empty, are left out.
package vhdx

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// Options of New.
type Options struct {
	FileID, DiskID [16]byte
}

// writer appends a block of the file for each block of the disk that has data.
type writer struct {
	w     io.WriterAt
	o     Options
	size  int64 // of the disk
	table []byte
	block int64 // number of the last one on the disk
	next  int64 // offset of the next one
	end   int64 // bytes of the last one that are written
}

// New writes a disk of size bytes, rounded up to sectors, to w, a new and empty
// file: parts that are not written must read as zero.
func New(w io.WriterAt, size int64, o Options) (pipeline.Sink, error) {
	if size <= 0 || size > MaxSize {
		return nil, fmt.Errorf("disk of %d bytes: a VHDX holds 1 byte to %d TiB", size, int64(MaxSize)>>40)
	}
	v := &writer{w: w, o: o, size: (size + sectorSize - 1) / sectorSize * sectorSize, block: -1}
	last := (size - 1) / blockSize
	v.table = make([]byte, (entry(last)/mebibyte+1)*mebibyte)
	for b := range last + 1 {
		v.table[entry(b)] = blockZero
	}
	v.next = tableAt + int64(len(v.table))
	return v, nil
}

// entry is the index of a block's entry in the table: after each chunkRatio of them
// there is one for a sector bitmap block, which a dynamic disk does not have.
func entry(block int64) int64 { return 8 * (block + block/chunkRatio) }

// NewEncoder implements pipeline.Sink.
func (v *writer) NewEncoder() func(*pipeline.Chunk) error {
	const run = 64 << 10 // left out as a hole of the file if it is zero
	return func(c *pipeline.Chunk) error {
		return c.Blocks(run, func(off int64, b []byte) error {
			return c.Add(off, func(dst []byte) ([]byte, error) { return append(dst, b...), nil })
		})
	}
}

// Write implements pipeline.Sink.
func (v *writer) Write(c *pipeline.Chunk) error {
	at := 0
	for _, s := range c.Spans {
		if b := s.Off / blockSize; b != v.block {
			binary.LittleEndian.PutUint64(v.table[entry(b):], uint64(v.next)|blockPresent)
			v.block = b
			v.next += blockSize
		}
		off := v.next - blockSize + s.Off%blockSize
		if _, err := v.w.WriteAt(c.Out[at:at+s.Len], off); err != nil {
			return err
		}
		at, v.end = at+s.Len, off+int64(s.Len)
	}
	return nil
}

// End writes table, metadata and headers. The file ends where a block does.
func (v *writer) End() error {
	if v.end < v.next {
		if _, err := v.w.WriteAt([]byte{0}, v.next-1); err != nil {
			return err
		}
	}
	table := regions(int64(len(v.table)))
	for _, p := range []struct {
		b  []byte
		at int64
	}{
		{v.table, tableAt},
		{metadata(v.size, v.o), metadataAt},
		{table, regionAt},
		{table, regionAt + regionSize},
		{header(1, v.o), headerAt},
		{header(2, v.o), 2 * headerAt},
		{identifier(), identifierAt},
	} {
		if _, err := v.w.WriteAt(p.b, p.at); err != nil {
			return err
		}
	}
	return nil
}
