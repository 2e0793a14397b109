// SPDX-License-Identifier: MPL-2.0

package debfile

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
	"github.com/ulikunitz/xz/lzma"
)

// xzDictMax bounds the memory that an .xz file may ask for; xz -9 needs 64 MiB.
const xzDictMax = 256 << 20

// Decompress reads r as the ending of name says: .xz, .gz, .zst, .bz2, .lzma or none. All
// streams of a file are read and their checks verified.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	r = b
	switch path.Ext(name) {
	case ".xz":
		x, err := xz.NewReader(r, xzDictMax)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return io.NopCloser(x), nil
	case ".gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return z, nil
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(xzDictMax))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return z.IOReadCloser(), nil
	case ".bz2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case ".lzma":
		l, err := newLzma(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return io.NopCloser(l), nil
	case "", ".tar":
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("%s: compression is not supported", name)
}

// newLzma reads the format before .xz. Its header asks for memory.
func newLzma(r *bufio.Reader) (io.Reader, error) {
	header, err := r.Peek(lzma.HeaderLen)
	if err != nil {
		return nil, err
	}
	if n := binary.LittleEndian.Uint32(header[1:]); n > xzDictMax {
		return nil, fmt.Errorf("wants %d bytes of memory", n)
	}
	return lzma.NewReader(r)
}
