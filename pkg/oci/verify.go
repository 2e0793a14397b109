// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/klauspost/compress/zstd"
)

// verifier passes a stream on, and returns an error instead of EOF if its digest or
// size are not as expected. It never returns more than size bytes.
type verifier struct {
	r    io.Reader
	c    io.Closer
	sum  hash.Hash
	want v1.Hash
	size int64
	n    int64
}

// ErrDigest says that a blob does not match its descriptor.
var ErrDigest = errors.New("it is not what its digest says")

func newVerifier(rc io.ReadCloser, want v1.Hash, size int64) *verifier {
	return &verifier{r: io.LimitReader(rc, size+1), c: rc, sum: sha256.New(), want: want, size: size}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	v.n += int64(n)
	if v.n > v.size {
		return 0, fmt.Errorf("blob %s has more than its %d bytes: %w", v.want, v.size, ErrDigest)
	}
	if err == io.EOF {
		if v.n != v.size {
			return n, fmt.Errorf("blob %s ends after %d of %d bytes: %w", v.want, v.n, v.size, io.ErrUnexpectedEOF)
		}
		if got := hex.EncodeToString(v.sum.Sum(nil)); got != v.want.Hex {
			return n, fmt.Errorf("blob %s has the digest sha256:%s: %w", v.want, got, ErrDigest)
		}
	}
	return n, err
}

func (v *verifier) Close() error { return v.c.Close() }

// Inflate detects the compression of a stream and decompresses it. The output is
// limited in bytes and in its ratio to the input.
func Inflate(r io.Reader, limits Limits) (io.ReadCloser, error) {
	in := &counted{r: r}
	buf := bufio.NewReaderSize(in, 128<<10)
	magic, err := buf.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	b := &bounded{in: in, limits: limits}
	switch {
	case len(magic) >= 2 && magic[0] == 0x1f && magic[1] == 0x8b:
		z, err := gzip.NewReader(buf)
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		b.r, b.close = z, z.Close
	case string(magic) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(buf, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(256<<20))
		if err != nil {
			return nil, fmt.Errorf("decompress: %w", err)
		}
		b.r, b.close = z, func() error { z.Close(); return nil }
	default:
		b.r, b.close = buf, func() error { return nil }
	}
	return b, nil
}

type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

type bounded struct {
	r      io.Reader
	in     *counted
	limits Limits
	n      int64
	close  func() error
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	if b.n > b.limits.LayerBytes {
		return n, fmt.Errorf("more than %d bytes when decompressed", b.limits.LayerBytes)
	}
	if b.n > 1<<30 && b.n/max(b.in.n, 1) > b.limits.Ratio {
		return n, fmt.Errorf("decompresses to more than %d times its size", b.limits.Ratio)
	}
	return n, err
}

func (b *bounded) Close() error { return b.close() }
