// SPDX-License-Identifier: MPL-2.0

package qcow2

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/image"
)

// ErrFormat is wrapped by errors about a file that is not a qcow2, is damaged, or
// is of a kind that this package does not support.
var ErrFormat = errors.New("not a readable qcow2")

// Reader reads a qcow2 file of version 2 or 3 that stands alone: no backing file,
// encryption, external data or extended level 2 entries. It is safe for concurrent
// use. For a hostile file, memory use is at most proportional to the file's size,
// plus 16 MiB.
type Reader struct {
	r       io.ReaderAt
	size    int64 // of the file
	h       header
	cluster int64
	l1      []uint64

	mu      sync.Mutex
	l2      []byte // of number l2No, -1 for none
	l2No    int64
	packed  []byte // a compressed cluster in its stored form
	data    []byte // the last cluster that was decompressed
	dataAt  uint64 // its level 2 entry, 0 for none
	inflate io.ReadCloser
	zstd    *zstd.Decoder
}

// Open reads header and level 1 table of a file of size bytes.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	q := &Reader{r: r, size: size, l2No: -1}
	b := make([]byte, min(headerSize, max(size, 0)))
	if err := q.read(b, 0); err != nil {
		return nil, err
	}
	var err error
	if q.h, err = parseHeader(b); err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	q.cluster = 1 << q.h.clusterBits
	n := (q.Size()-1)/q.span() + 1
	if n > int64(q.h.l1Entries) || n*8 > maxL1Bytes {
		return nil, fmt.Errorf("%w: a level 1 table of %d entries for a disk of %d bytes", ErrFormat, q.h.l1Entries, q.h.size)
	}
	if err := q.within(q.h.l1, n*8); err != nil {
		return nil, fmt.Errorf("level 1 table: %w", err)
	}
	b = make([]byte, n*8)
	if err := q.read(b, int64(q.h.l1)); err != nil {
		return nil, fmt.Errorf("level 1 table: %w", err)
	}
	q.l1 = make([]uint64, n)
	for i := range q.l1 {
		q.l1[i] = binary.BigEndian.Uint64(b[8*i:]) & entryOffset
	}
	return q, nil
}

func (q *Reader) check() error {
	h := q.h
	switch {
	case h.clusterBits < 9 || h.clusterBits > 21:
		return fmt.Errorf("%w: clusters of 2^%d bytes", ErrFormat, h.clusterBits)
	case h.length > 1<<h.clusterBits:
		return fmt.Errorf("%w: a header of %d bytes", ErrFormat, h.length)
	case h.size == 0 || h.size > 1<<60:
		return fmt.Errorf("%w: disk of %d bytes", ErrFormat, h.size)
	case h.backing != 0:
		return fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("it has a backing file, without which it is not the whole disk"))
	case h.crypt != 0:
		return fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("it is encrypted"))
	case h.incompatible&^incompatRead != 0:
		return features(h.incompatible &^ incompatRead)
	case h.refcountOrder > maxRefcountOrder:
		return fmt.Errorf("%w: reference counts of 2^%d bits", ErrFormat, h.refcountOrder)
	case h.compression > Zstd:
		return fmt.Errorf("%w: compression type %d", ErrFormat, h.compression)
	}
	return nil
}

// features says which unsupported features a file has, in words if there are some.
func features(bits uint64) error {
	text := fmt.Sprintf("incompatible features %#x", bits)
	switch {
	case bits&incompatCorrupt != 0:
		return fmt.Errorf("%w: QEMU has marked it as corrupt: qemu-img check -r all may repair it", ErrFormat)
	case bits&incompatData != 0:
		text = "its data are in another file"
	case bits&incompatExtended != 0:
		text = "it has extended level 2 entries"
	}
	return fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("%s", text))
}

// within checks a range of the file.
func (q *Reader) within(at uint64, n int64) error {
	if at > uint64(q.size) || n > q.size-int64(at) {
		return fmt.Errorf("%w: %d bytes at %d, and the file has %d", ErrFormat, n, at, q.size)
	}
	return nil
}

func (q *Reader) read(b []byte, at int64) error {
	if n, err := q.r.ReadAt(b, at); n < len(b) {
		if err == io.EOF {
			err = fmt.Errorf("%w: %w", ErrFormat, io.ErrUnexpectedEOF)
		}
		return fmt.Errorf("read qcow2: %w", err)
	}
	return nil
}

// entries is the number of clusters in a level 2 table, span the number of bytes of
// the disk that it covers.
func (q *Reader) entries() int64 { return q.cluster / 8 }
func (q *Reader) span() int64    { return int64(1) << (2*q.h.clusterBits - 3) }

// Size is the size of the disk in bytes.
func (q *Reader) Size() int64 { return int64(q.h.size) }

// Version is that of the format, 2 or 3.
func (q *Reader) Version() int { return int(q.h.version) }

// ClusterSize is the size of a cluster in bytes.
func (q *Reader) ClusterSize() int64 { return q.cluster }

// Compression is the compression of compressed clusters, if there are any.
func (q *Reader) Compression() Compression { return q.h.compression }

// entry is the level 2 entry of a cluster, 0 for a hole.
func (q *Reader) entry(cluster int64) (uint64, error) {
	no := cluster / q.entries()
	if q.l1[no] == 0 {
		return 0, nil
	}
	if no != q.l2No {
		if err := q.within(q.l1[no], q.cluster); err != nil {
			return 0, fmt.Errorf("level 2 table %d: %w", no, err)
		}
		if q.l2 == nil {
			q.l2 = make([]byte, q.cluster)
		}
		q.l2No = -1
		if err := q.read(q.l2, int64(q.l1[no])); err != nil {
			return 0, fmt.Errorf("level 2 table %d: %w", no, err)
		}
		q.l2No = no
	}
	e := binary.BigEndian.Uint64(q.l2[cluster%q.entries()*8:])
	switch {
	case e&entryCompressed != 0:
		return e &^ entryCopied, nil
	case e&entryZero != 0 && q.h.version >= 3:
		return 0, nil
	}
	return e & entryOffset, nil
}

// ReadAt implements io.ReaderAt.
func (q *Reader) ReadAt(p []byte, off int64) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return image.ReadBlocks(p, off, q.Size(), q.cluster, q.piece)
}

func (q *Reader) piece(p []byte, off int64) error {
	e, err := q.entry(off / q.cluster)
	if err != nil {
		return err
	}
	in := off % q.cluster
	switch {
	case e == 0:
		clear(p)
		return nil
	case e&entryCompressed != 0:
		if err := q.load(e); err != nil {
			return err
		}
		copy(p, q.data[in:])
		return nil
	}
	// A file may end within its last cluster.
	if err := q.within(e, in+1); err != nil {
		return err
	}
	n := min(int64(len(p)), q.size-int64(e)-in)
	clear(p[n:])
	return q.read(p[:n], int64(e)+in)
}

// packedAt is the offset of a compressed cluster in the file, and its maximum size:
// up to the end of a sector.
func (q *Reader) packedAt(e uint64) (at uint64, n int64) {
	shift := 62 - (q.h.clusterBits - 8)
	at = e & (1<<shift - 1)
	return at, (int64(e&^uint64(entryCompressed)>>shift)+1)*512 - int64(at%512)
}

// load makes q.data the cluster that a compressed entry refers to.
func (q *Reader) load(e uint64) error {
	if q.dataAt == e {
		return nil
	}
	q.dataAt = 0
	at, n := q.packedAt(e)
	if at >= uint64(q.size) {
		return fmt.Errorf("%w: compressed cluster at %d, and the file has %d bytes", ErrFormat, at, q.size)
	}
	n = min(n, q.size-int64(at)) // the last sector may be missing
	if q.data == nil {
		q.data, q.packed = make([]byte, q.cluster), make([]byte, 2*q.cluster+512)
	}
	b := q.packed[:n]
	if err := q.read(b, int64(at)); err != nil {
		return err
	}
	if err := q.unpack(b); err != nil {
		return fmt.Errorf("%w: compressed cluster at %d: %w", ErrFormat, at, err)
	}
	q.dataAt = e
	return nil
}

// unpack fills q.data from b, which may contain more than the cluster's stream.
func (q *Reader) unpack(b []byte) error {
	in := bytes.NewReader(b)
	if q.h.compression == Zstd {
		if q.zstd == nil {
			d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(8<<20), zstd.WithDecoderMaxWindow(8<<20))
			if err != nil {
				return err
			}
			q.zstd = d
		}
		if err := q.zstd.Reset(in); err != nil {
			return err
		}
		_, err := io.ReadFull(q.zstd, q.data)
		return err
	}
	if q.inflate == nil {
		q.inflate = flate.NewReader(in)
	} else if err := q.inflate.(flate.Resetter).Reset(in, nil); err != nil {
		return err
	}
	_, err := io.ReadFull(q.inflate, q.data)
	return err
}

// Covered reports whether a cluster in the range is stored. It is also true if the
// table cannot be read, so that ReadAt returns the error.
func (q *Reader) Covered(off, n int64) bool { return q.NextExtent(off) < off+n }

// NextExtent is the offset of the first byte at or after off whose cluster is
// stored, or Size.
func (q *Reader) NextExtent(off int64) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	for c := max(off, 0) / q.cluster; c*q.cluster < q.Size(); {
		if q.l1[c/q.entries()] == 0 {
			c = (c/q.entries() + 1) * q.entries()
			continue
		}
		if e, err := q.entry(c); err != nil || e != 0 {
			return max(off, c*q.cluster)
		}
		c++
	}
	return q.Size()
}
