// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/therootcompany/xz"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
)

// maxUnpacked bounds the size of what a compressed disk unpacks to.
const maxUnpacked = 1 << 44

// unpack makes o the raw disk that f holds compressed.
func (o *Opened) unpack(f *os.File, path string, format Format) error {
	in, _, err := Decompress(f)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("it is compressed, and there is no room in %s to unpack it: %w", dir, err)
	}
	raw := os.NewFile(uintptr(fd), path)
	o.files = append(o.files, raw)
	if o.size, err = copySparse(raw, in); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	o.ReaderAt, o.Format = raw, format
	return nil
}

// Decompress reads what gzip, zstd, xz or bzip2 made, as the first bytes tell;
// packed is false for anything else, which is read as it is.
func Decompress(in io.Reader) (out io.Reader, packed bool, err error) {
	r := bufio.NewReaderSize(in, 64<<10)
	head, err := r.Peek(6)
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	switch is := func(magic string) bool { return strings.HasPrefix(string(head), magic) }; {
	case is("\x1f\x8b"):
		out, err = gzip.NewReader(r)
	case is("\x28\xb5\x2f\xfd"):
		// With one goroutine there is none to be left behind.
		out, err = zstd.NewReader(r, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(1))
	case is("\xfd7zXZ\x00"):
		out, err = xz.NewReader(r, 128<<20)
	case is("BZh"):
		out = bzip2.NewReader(r)
	default:
		return r, false, nil
	}
	return out, true, err
}

// copySparse copies in to the new file w, leaving out blocks of zeros, and
// returns how much it was.
func copySparse(w *os.File, in io.Reader) (int64, error) {
	b := make([]byte, rawBlock)
	for off := int64(0); ; {
		n, err := 0, error(nil)
		for n < len(b) && err == nil { // io.ReadFull would take a cut stream for a short last block
			var k int
			k, err = in.Read(b[n:])
			n += k
		}
		if n > 0 && !pipeline.IsZero(b[:n]) {
			if _, err := w.WriteAt(b[:n], off); err != nil {
				return off, err
			}
		}
		off += int64(n)
		switch {
		case err == io.EOF:
			return off, w.Truncate(off)
		case err != nil:
			return off, err
		case off > maxUnpacked:
			return off, fmt.Errorf("more than %d bytes", int64(maxUnpacked))
		}
	}
}
