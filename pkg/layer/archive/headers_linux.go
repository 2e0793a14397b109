// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/vbatts/tar-split/tar/storage"
)

// headerReader is a tar stream from a tar-split, with zeros for the contents of files.
// It can seek forward, which archive/tar does to skip them.
type headerReader struct {
	z     *gzip.Reader
	dec   *json.Decoder
	off   int64
	seg   []byte // the rest of a segment
	zeros int64  // the rest of a file
	err   error
}

func newHeaderReader(split io.Reader) *headerReader {
	h := &headerReader{}
	if h.z, h.err = gzip.NewReader(bufio.NewReaderSize(split, 64<<10)); h.err == nil {
		h.dec = json.NewDecoder(h.z)
	}
	return h
}

// fill makes sure that there is something to read, or sets err.
func (h *headerReader) fill() bool {
	for h.err == nil && len(h.seg) == 0 && h.zeros == 0 {
		var e storage.Entry
		if err := h.dec.Decode(&e); err != nil {
			h.err = err
			break
		}
		if e.Type == storage.SegmentType {
			h.seg = e.Payload
		} else {
			h.zeros = max(e.Size, 0)
		}
	}
	return h.err == nil
}

func (h *headerReader) Read(p []byte) (int, error) {
	if !h.fill() {
		return 0, h.err
	}
	n := 0
	if len(h.seg) > 0 {
		n = copy(p, h.seg)
		h.seg = h.seg[n:]
	} else {
		n = int(min(int64(len(p)), h.zeros))
		clear(p[:n])
		h.zeros -= int64(n)
	}
	h.off += int64(n)
	return n, nil
}

// Seek seeks forward, relative to the current offset.
func (h *headerReader) Seek(offset int64, whence int) (int64, error) {
	if whence != io.SeekCurrent || offset < 0 {
		return h.off, errors.New("tar record: cannot seek backward")
	}
	for offset > 0 {
		if !h.fill() {
			return h.off, fmt.Errorf("tar record: %w", h.err)
		}
		n := h.zeros
		if len(h.seg) > 0 {
			n = int64(len(h.seg))
		}
		n = min(n, offset)
		if len(h.seg) > 0 {
			h.seg = h.seg[n:]
		} else {
			h.zeros -= n
		}
		h.off += n
		offset -= n
	}
	return h.off, nil
}

// ErrRecord says that a tar-split cannot be read.
var ErrRecord = errors.New("its tar record")

// Headers calls f for each member of a tar stream, given its tar-split, compressed with
// gzip. Contents of files are not available.
func Headers(split io.Reader, f func(*tar.Header) error) error {
	tr := tar.NewReader(newHeaderReader(split))
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrRecord, err)
		}
		if err := f(h); err != nil {
			return err
		}
	}
}
