// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/vbatts/tar-split/tar/storage"

	"github.com/carosio/carosbuild/pkg/oci"
)

// segmentBytes is how much of a tar stream one tar-split segment may hold.
const segmentBytes = 64 << 10

// splitter takes the bytes of a tar stream in order, hashes them, and records them as a
// tar-split: contents of the layer's files as references, all other bytes as they are. It
// has to be ended. The format is github.com/vbatts/tar-split v0.12: JSON lines,
// {"type":2,"payload":bytes,"position":n} for bytes and
// {"type":1,"name":path,"size":n,"payload":CRC-64-ISO,"position":n} for a file.
// Files without content are left out, since readers skip them.
type splitter struct {
	out     *bufio.Writer
	enc     *json.Encoder
	sum     *streamDigest
	size    int64
	seg     []byte
	crc     hash.Hash64
	crc32   hash.Hash32 // Castagnoli, for the record of the layer's files
	pos     int
	counted int64 // bytes of the current file
	infile  bool
	err     error
}

func newSplitter(w io.Writer) *splitter {
	s := &splitter{out: bufio.NewWriterSize(w, 64<<10), sum: newStreamDigest(), crc: crc64.New(storage.CRCTable), crc32: crc32.New(castagnoli)}
	s.enc = json.NewEncoder(s.out)
	s.enc.SetEscapeHTML(false)
	return s
}

// Write takes the next bytes of the stream.
func (s *splitter) Write(p []byte) (int, error) {
	s.sum.write(p)
	s.size += int64(len(p))
	if s.infile {
		s.crc.Write(p)
		s.crc32.Write(p)
		s.counted += int64(len(p))
		return len(p), s.err
	}
	if len(s.seg)+len(p) > segmentBytes {
		s.flush()
	}
	for len(p) > segmentBytes {
		s.seg = append(s.seg, p[:segmentBytes]...)
		s.flush()
		p = p[segmentBytes:]
	}
	s.seg = append(s.seg, p...)
	return len(p), s.err
}

// beginFile says that the next bytes are the content of a stored file.
func (s *splitter) beginFile() {
	s.flush()
	s.crc.Reset()
	s.crc32.Reset()
	s.counted, s.infile = 0, true
}

// endFile ends the file and gives its name below the layer's directory.
func (s *splitter) endFile(name string) {
	s.infile = false
	e := storage.Entry{Type: storage.FileType, Size: s.counted, Payload: s.crc.Sum(nil)}
	e.SetName(name)
	s.add(e)
}

func (s *splitter) flush() {
	if len(s.seg) > 0 {
		s.add(storage.Entry{Type: storage.SegmentType, Payload: s.seg})
		s.seg = s.seg[:0]
	}
}

func (s *splitter) add(e storage.Entry) {
	e.Position = s.pos
	s.pos++
	if err := s.enc.Encode(e); err != nil && s.err == nil {
		s.err = fmt.Errorf("record tar stream: %w", err)
	}
}

// end releases resources: it is called after finish or in place of it.
func (s *splitter) end() { s.sum.end() }

// finish returns the stream's digest and size in bytes.
func (s *splitter) finish() (oci.Digest, int64, error) {
	s.flush()
	if err := s.out.Flush(); err != nil && s.err == nil {
		s.err = fmt.Errorf("record tar stream: %w", err)
	}
	return oci.Digest{Algorithm: "sha256", Hex: hex.EncodeToString(s.sum.digest())}, s.size, s.err
}

// inlineFiles copies a tar-split and replaces some file references, given by position,
// by the contents.
func inlineFiles(dst io.Writer, src io.Reader, contents map[int]io.Reader) error {
	out := bufio.NewWriter(dst)
	enc, dec := json.NewEncoder(out), json.NewDecoder(src)
	enc.SetEscapeHTML(false)
	for pos := 0; ; {
		var e storage.Entry
		if err := dec.Decode(&e); err == io.EOF {
			break
		} else if err != nil {
			return fmt.Errorf("rewrite tar record: %w", err)
		}
		parts := []storage.Entry{e}
		if r, ok := contents[e.Position]; ok {
			b, err := io.ReadAll(io.LimitReader(r, e.Size))
			if err != nil || int64(len(b)) != e.Size {
				return fmt.Errorf("rewrite tar record: %d of %d bytes of %q: %w", len(b), e.Size, e.GetName(), err)
			}
			parts = nil
			for len(b) > 0 {
				n := min(len(b), segmentBytes)
				parts = append(parts, storage.Entry{Type: storage.SegmentType, Payload: b[:n]})
				b = b[n:]
			}
		}
		for _, p := range parts {
			p.Position = pos
			pos++
			if err := enc.Encode(p); err != nil {
				return fmt.Errorf("rewrite tar record: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("rewrite tar record: %w", err)
	}
	return nil
}
