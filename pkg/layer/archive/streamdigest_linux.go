// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"crypto/sha256"
	"hash"
)

// streamDigest is the SHA-256 of a stream. A stream longer than a buffer is hashed in a
// goroutine of its own, since hashing takes as long as all other work on a stream. It has
// to be ended.
type streamDigest struct {
	sum         hash.Hash
	buf         []byte // the newest bytes
	full, empty chan []byte
	done        chan struct{} // the goroutine has ended
}

// Sizes of a streamDigest: bytes of a buffer, and number of buffers besides the newest.
const (
	digestBytes   = 256 << 10
	digestBuffers = 3
)

func newStreamDigest() *streamDigest {
	return &streamDigest{sum: sha256.New(), buf: make([]byte, 0, digestBytes)}
}

func (d *streamDigest) write(p []byte) {
	for len(p) > 0 {
		n := copy(d.buf[len(d.buf):cap(d.buf)], p)
		d.buf, p = d.buf[:len(d.buf)+n], p[n:]
		if len(d.buf) == cap(d.buf) {
			d.handOver()
		}
	}
}

// handOver passes the newest bytes to the goroutine.
func (d *streamDigest) handOver() {
	if d.full == nil {
		d.full, d.empty, d.done = make(chan []byte, digestBuffers), make(chan []byte, digestBuffers+1), make(chan struct{})
		for range digestBuffers {
			d.empty <- make([]byte, 0, digestBytes)
		}
		go func() {
			defer close(d.done)
			for b := range d.full {
				d.sum.Write(b)
				d.empty <- b[:0]
			}
		}()
	}
	d.full <- d.buf
	d.buf = <-d.empty
}

// end ends the goroutine. It may be called several times; nothing is written after it.
func (d *streamDigest) end() {
	if d.full != nil {
		close(d.full)
		<-d.done
		d.full = nil
	}
}

// digest ends the stream and returns its digest.
func (d *streamDigest) digest() []byte {
	d.end()
	d.sum.Write(d.buf)
	d.buf = nil
	return d.sum.Sum(nil)
}
