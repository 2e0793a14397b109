// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"syscall"
	"unsafe"
)

// Memory, lengths and offsets of direct writes are multiples of this, which works
// for disks with sectors of 512 bytes and of 4 KiB.
const directAlign = 4096

// direct writes to a file without the page cache, open(2) O_DIRECT: an output is
// larger than what should displace other data there, is not read soon, and would
// have to be flushed at the end anyway. Unaligned data, and all data if the file
// system does not support O_DIRECT, goes through the page cache.
type direct struct {
	file   *os.File
	bypass *os.File // another descriptor of the same file, with O_DIRECT, or nil
}

func openDirect(f *os.File) *direct {
	return &direct{file: f, bypass: openBypass(f)}
}

// WriteAt implements io.WriterAt. Its errors do not name the file, which has a
// temporary name; the caller adds the output's name.
func (d *direct) WriteAt(b []byte, off int64) (int, error) {
	if d.bypass != nil && len(b) > 0 && isAligned(b, off) {
		n, err := d.bypass.WriteAt(b, off)
		if n == len(b) || !errors.Is(err, syscall.EINVAL) {
			return n, unnamed(err)
		}
	}
	n, err := d.file.WriteAt(b, off)
	return n, unnamed(err)
}

func unnamed(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func isAligned(b []byte, off int64) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))%directAlign == 0 && len(b)%directAlign == 0 && off%directAlign == 0
}

func (d *direct) close() error {
	if d.bypass == nil {
		return nil
	}
	return d.bypass.Close()
}

// aligned is a new slice of n bytes whose memory is suitable for direct writes.
func aligned(n int) []byte {
	b := make([]byte, n+directAlign)
	skip := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (directAlign - 1)
	return b[skip : skip+n : skip+n]
}

// stream writes front to back in large aligned pieces.
type stream struct {
	to  io.WriterAt
	buf []byte
	n   int       // bytes in buf
	off int64     // offset of buf in the file
	sum hash.Hash // of the flushed data, or nil
}

const streamBuffer = 4 << 20

func newStream(to io.WriterAt) *stream { return &stream{to: to, buf: aligned(streamBuffer)} }

// Write implements io.Writer.
func (s *stream) Write(p []byte) (int, error) {
	done := 0
	for len(p) > 0 {
		k := copy(s.buf[s.n:], p)
		s.n, p, done = s.n+k, p[k:], done+k
		if s.n == len(s.buf) {
			if err := s.flush(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// flush writes the buffer. After a flush that is not aligned, there must be no
// other.
func (s *stream) flush() error {
	if s.sum != nil { // while the file system writes
		summed := make(chan struct{})
		go func(b []byte) {
			defer close(summed)
			s.sum.Write(b)
		}(s.buf[:s.n])
		defer func() { <-summed }()
	}
	whole := s.n / directAlign * directAlign
	for _, b := range [][]byte{s.buf[:whole], s.buf[whole:s.n]} {
		if _, err := s.to.WriteAt(b, s.off); err != nil {
			return err
		}
		s.off += int64(len(b))
	}
	s.n = 0
	return nil
}
