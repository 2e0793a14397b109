// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debfile

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
)

// xzDictMax bounds the memory that an .xz file may ask for; xz -9 needs 64 MiB.
const xzDictMax = 256 << 20

// Decompress reads r as the ending of name says: .xz, .gz, .zst, .bz2 or none. All
// streams of a file are read and their checks verified.
func Decompress(name string, r io.Reader) (io.ReadCloser, error) {
	r = bufio.NewReaderSize(r, 64<<10)
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
	case "", ".tar":
		return io.NopCloser(r), nil
	}
	return nil, fmt.Errorf("%s: compression is not supported", name)
}
