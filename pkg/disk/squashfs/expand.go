// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// expander decompresses data. It returns an error if the result is larger than most
// bytes.
type expander func(p []byte, most int64) ([]byte, error)

// Compressions that are read and not written.
const (
	lzo Compression = "lzo"
	lz4 Compression = "lz4"
)

// compressions by their number in the superblock.
var compressions = map[uint16]Compression{1: Gzip, 3: lzo, 4: XZ, 5: lz4, 6: Zstd}

func newExpander(id uint16) (expander, error) {
	switch compressions[id] {
	case Gzip:
		return stream(func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }), nil
	case lzo:
		return naming(id, expandLZO), nil
	case lz4:
		return naming(id, expandLZ4), nil
	case XZ:
		return stream(func(r io.Reader) (io.Reader, error) { return xz.NewReader(r, maxDict) }), nil
	case Zstd:
		z, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDict))
		if err != nil {
			return nil, err
		}
		return func(p []byte, most int64) ([]byte, error) {
			b, err := z.DecodeAll(p, nil)
			return limited(b, err, most)
		}, nil
	}
	if id == 2 {
		return nil, fmt.Errorf("%w: %w", ErrFormat, damage.Unreadf("its compression lzma is not read"))
	}
	return nil, formatError("compression %d is none of gzip, lzo, xz, lz4, zstd", id)
}

// naming adds the compression to errors: data of another compression is the usual
// cause.
func naming(id uint16, expand expander) expander {
	return func(p []byte, most int64) ([]byte, error) {
		b, err := expand(p, most)
		if err != nil {
			err = fmt.Errorf("compression %d (%s): %w", id, compressions[id], err)
		}
		return b, err
	}
}

// maxDict bounds the memory of a decompressor; the format's largest block has 1
// MiB.
const maxDict = 1 << 20

func stream(open func(io.Reader) (io.Reader, error)) expander {
	return func(p []byte, most int64) ([]byte, error) {
		r, err := open(bytes.NewReader(p))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		b, err := io.ReadAll(io.LimitReader(r, most+1))
		return limited(b, err, most)
	}
}

func limited(b []byte, err error, most int64) ([]byte, error) {
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if int64(len(b)) > most {
		return nil, formatError("more than %d bytes when expanded", most)
	}
	return b, nil
}
