// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// Options of New. The same disk and options give the same bytes.
type Options struct {
	Compress    bool
	Compression Compression // with Compress
	Level       int         // 1 (fast) to 9 (small); 0 means the compression's default
}

// writer writes a file whose header and level 1 table have fixed places at the
// front; clusters follow in the order of the disk, with a level 2 table after the
// clusters that it refers to, and reference counts at the end.
type writer struct {
	w      io.WriterAt
	o      Options
	h      header
	l1     []byte
	l2     []byte
	l2No   int64    // -1 if l2 is empty
	refs   []uint16 // of each cluster of the file
	packed int64    // offset at which the next compressed cluster may begin
}

// New writes a disk of size bytes, rounded up to sectors, to w, a new and empty
// file: parts that are not written must read as zero.
func New(w io.WriterAt, size int64, o Options) (pipeline.Sink, error) {
	entries := (size-1)/tableSpan + 1
	if size <= 0 || entries > maxL1Bytes/8 {
		return nil, fmt.Errorf("disk of %d bytes: a qcow2 holds 1 byte to 2 PiB", size)
	}
	q := &writer{w: w, o: o, l1: make([]byte, entries*8), l2: make([]byte, clusterSize), l2No: -1}
	q.h = header{
		clusterBits: clusterBits, size: uint64(size+511) &^ 511, refcountOrder: refcountOrder,
		l1Entries: uint32(entries), l1: clusterSize,
	}
	if o.Compress && o.Compression == Zstd {
		q.h.compression, q.h.incompatible = Zstd, incompatCompression
	}
	q.allocate(1 + clusters(int64(len(q.l1))))
	return q, nil
}

// clusters is the number of clusters for n bytes.
func clusters(n int64) int64 { return (n + clusterSize - 1) / clusterSize }

// allocate returns the offset of n new clusters at the file's end.
func (q *writer) allocate(n int64) int64 {
	at := q.end()
	for range n {
		q.refs = append(q.refs, 1)
	}
	return at
}

func (q *writer) end() int64 { return int64(len(q.refs)) * clusterSize }

// pack returns the offset for n bytes of compressed data: after the previous ones,
// if they fit there. Each cluster that they touch gets a reference.
func (q *writer) pack(n int64) int64 {
	room := clusters(q.packed)*clusterSize - q.packed
	if n > room && q.packed+room != q.end() {
		q.packed, room = q.end(), 0
	}
	at := q.packed
	q.packed += n
	if room > 0 {
		q.refs[at/clusterSize]++
	}
	if n > room {
		q.allocate(clusters(n - room))
	}
	return at
}

// NewEncoder implements pipeline.Sink.
func (q *writer) NewEncoder() func(*pipeline.Chunk) error {
	encode := newEncoder(q.o)
	return func(c *pipeline.Chunk) error {
		return c.Blocks(clusterSize, func(off int64, b []byte) error {
			return c.Add(off, func(dst []byte) ([]byte, error) { return encode(dst, b), nil })
		})
	}
}

// Write implements pipeline.Sink. All clusters of c belong to one level 2 table,
// since a table spans a multiple of the chunk size.
func (q *writer) Write(c *pipeline.Chunk) error {
	if len(c.Spans) == 0 {
		return nil
	}
	if no := c.Off / tableSpan; no != q.l2No {
		if err := q.flush(); err != nil {
			return err
		}
		q.l2No = no
	}
	// One write for clusters that are contiguous in the file.
	from, n, start := 0, 0, int64(0)
	for _, s := range c.Spans {
		at, entry := q.place(int64(s.Len))
		binary.BigEndian.PutUint64(q.l2[s.Off%tableSpan/clusterSize*8:], entry)
		if at != start+int64(n) {
			if err := q.write(c.Out[from:from+n], start); err != nil {
				return err
			}
			from, n, start = from+n, 0, at
		}
		n += s.Len
	}
	return q.write(c.Out[from:], start)
}

// place returns the offset for a cluster whose stored form has n bytes, and its
// level 2 entry.
func (q *writer) place(n int64) (at int64, entry uint64) {
	if n == clusterSize {
		at = q.allocate(1)
		return at, uint64(at) | entryCopied
	}
	at = q.pack(n)
	sectors := (at%512+n-1)/512 + 1
	return at, uint64(at) | uint64(sectors-1)<<compressedShift | entryCompressed
}

func (q *writer) write(b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	_, err := q.w.WriteAt(b, at)
	return err
}

// flush writes the level 2 table that is being filled.
func (q *writer) flush() error {
	if q.l2No < 0 {
		return nil
	}
	at := q.allocate(1)
	binary.BigEndian.PutUint64(q.l1[q.l2No*8:], uint64(at)|entryCopied)
	err := q.write(q.l2, at)
	clear(q.l2)
	q.l2No = -1
	return err
}

// End writes the reference counts, the level 1 table and, last, the header.
func (q *writer) End() error {
	if err := q.flush(); err != nil {
		return err
	}
	if err := q.refcounts(); err != nil {
		return err
	}
	if err := q.write(q.l1, int64(q.h.l1)); err != nil {
		return err
	}
	return q.write(q.h.bytes(), 0)
}

// refcounts writes the blocks of reference counts, which also count themselves and
// their table, and the table.
func (q *writer) refcounts() error {
	data, blocks, table := int64(len(q.refs)), int64(0), int64(0)
	for n := int64(-1); n != blocks+table; {
		n = blocks + table
		blocks = (data+n-1)/blockCounts + 1
		table = clusters(blocks * 8)
	}
	at := q.allocate(blocks)
	q.h.refTable, q.h.refClusters = uint64(q.allocate(table)), uint32(table)
	b := make([]byte, blocks*clusterSize)
	for i, n := range q.refs {
		binary.BigEndian.PutUint16(b[2*i:], n)
	}
	if err := q.write(b, at); err != nil {
		return err
	}
	b = make([]byte, table*clusterSize)
	for i := range blocks {
		binary.BigEndian.PutUint64(b[8*i:], uint64(at+i*clusterSize))
	}
	return q.write(b, int64(q.h.refTable))
}
