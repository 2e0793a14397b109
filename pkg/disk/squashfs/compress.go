// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// compressor returns p compressed, in new memory. Each goroutine has
// one.
type compressor func(p []byte) ([]byte, error)

// compression has the compressors and their number in the superblock.
func compression(c Compression) (func() compressor, uint16, error) {
	switch c {
	case "", Zstd:
		return newZstd, 6, nil
	case Gzip:
		return newGzip, 1, nil
	case XZ:
		return newXZ, 4, nil
	}
	return nil, 0, fmt.Errorf("squashfs: compression %q is none of zstd, gzip, xz", c)
}

// newZstd makes frames whose window is no larger than a block: the kernel has no
// memory for more.
func newZstd() compressor {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(blockSize),
		zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	return func(p []byte) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return z.EncodeAll(p, make([]byte, 0, len(p))), nil
	}
}

// gzipLevel: level 9 gives 3 % less in five times the time.
const gzipLevel = 6

// newGzip is zlib's format, in spite of the name.
func newGzip() compressor {
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, gzipLevel)
	return func(p []byte) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		b.Reset()
		z.Reset(&b)
		return finish(z, &b, p)
	}
}

// newXZ uses the dictionary size and the checksum that the kernel expects.
func newXZ() compressor {
	return func(p []byte) ([]byte, error) {
		var b bytes.Buffer
		z, err := xz.WriterConfig{DictCap: blockSize, CheckSum: xz.CRC32}.NewWriter(&b)
		if err != nil {
			return nil, err
		}
		return finish(z, &b, p)
	}
}

func finish(z io.WriteCloser, b *bytes.Buffer, p []byte) ([]byte, error) {
	if _, err := z.Write(p); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil
}

// shrink compresses p, or returns p if that makes it no smaller.
func (c compressor) shrink(p []byte) (out []byte, raw bool, err error) {
	out, err = c(p)
	if err != nil {
		return nil, false, fmt.Errorf("compress: %w", err)
	}
	if len(out) >= len(p) {
		return p, true, nil
	}
	return out, false, nil
}
