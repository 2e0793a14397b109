// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// tarReader reads the headers of a tar stream that is accessible at any offset. It
// skips contents without reading them, and knows their offsets, since archive/tar
// reads no further than necessary.
type tarReader struct {
	r         io.ReaderAt
	off, size int64
	buf       []byte // a piece of the stream
	at        int64  // its offset
}

func newTarReader(r io.ReaderAt, size int64) *tarReader {
	return &tarReader{r: r, size: size, buf: make([]byte, 0, 64<<10)}
}

// Read returns bytes only from the buffer.
func (t *tarReader) Read(p []byte) (int, error) {
	if t.off >= t.size {
		return 0, io.EOF
	}
	if t.off < t.at || t.off >= t.at+int64(len(t.buf)) {
		b := t.buf[:min(int64(cap(t.buf)), t.size-t.off)]
		if n, err := t.r.ReadAt(b, t.off); n < len(b) {
			return 0, errors.Join(err, io.ErrUnexpectedEOF)
		}
		t.buf, t.at = b, t.off
	}
	n := copy(p, t.buf[t.off-t.at:])
	t.off += int64(n)
	return n, nil
}

// Seek seeks to an offset relative to the current one.
func (t *tarReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || t.off+offset < 0 {
		return t.off, errors.ErrUnsupported
	}
	t.off += offset
	return t.off, nil
}

// eachMember calls f with each member, the offset of its content, and the ranges of
// a sparse file in the stream.
func eachMember(r io.ReaderAt, size int64, f func(h *tar.Header, off int64, s *sparseFile) error) error {
	in := newTarReader(r, size)
	tr := tar.NewReader(in)
	for start := int64(0); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read tar stream: %w", err)
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			start = padded(in.off)
			continue
		}
		off := in.off
		next := padded(off)
		var s *sparseFile
		if kind, _ := memberType(h.Typeflag); kind == Regular {
			next = padded(off + h.Size)
			form, unknown := sparseForm(h)
			if err = unknown; err == nil && form != "" {
				s, next, err = in.sparseFile(h, form, start)
			}
		}
		if err == nil {
			err = f(h, off, s)
		}
		if err != nil {
			return fmt.Errorf("member %.200q: %w", h.Name, err)
		}
		start = next
	}
}

// piece is a file's content in a tar stream.
type piece struct {
	r         io.ReaderAt
	off, size int64
}

// ReadAt implements io.ReaderAt.
func (p *piece) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off >= p.size {
		return 0, io.EOF
	}
	short := int64(len(b)) > p.size-off
	if short {
		b = b[:p.size-off]
	}
	n, err := p.r.ReadAt(b, p.off+off)
	if err == io.EOF && n == len(b) {
		err = nil
	}
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}
