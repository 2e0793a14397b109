// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"bufio"
	"compress/bzip2"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/therootcompany/xz"

	"github.com/carosio/carosbuild/pkg/disk/pipeline"
	"github.com/carosio/carosbuild/pkg/freshfile"
)

// maxUnpacked bounds the decompressed size of a disk: that of the largest disk to
// inspect, most of which may be holes.
const maxUnpacked = 1 << 44

// unpack decompresses the disk in f and makes it o's raw disk.
func (o *Opened) unpack(f *os.File, path string, format Format) error {
	in, _, err := Decompress(f)
	if err != nil {
		return err
	}
	dir := filepath.Dir(path)
	raw, err := freshfile.Scratch(dir)
	if err != nil {
		return fmt.Errorf("it is compressed, and there is no room in %s to unpack it: %w", dir, err)
	}
	o.files = append(o.files, raw)
	if o.size, err = CopySparse(raw, in, maxUnpacked); err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	o.ReaderAt, o.Format = raw, format
	return nil
}

// Decompress reads the output of gzip, zstd, xz, bzip2 or lz4, recognised by the
// first bytes; packed is false for other data, which is read as it is.
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
		// With one goroutine, none is left running.
		out, err = zstd.NewReader(r, zstd.WithDecoderMaxWindow(128<<20), zstd.WithDecoderConcurrency(1))
	case is("\xfd7zXZ\x00"):
		out, err = xz.NewReader(r, 128<<20)
	case is("BZh"):
		out = bzip2.NewReader(r)
	case is("\x04\x22\x4d\x18"), is("\x02\x21\x4c\x18"): // the latter is lz4 -l, which kernels and bitbake use
		out = lz4.NewReader(r)
	default:
		return r, false, nil
	}
	return out, true, err
}

// CopySparse copies in to the new and empty file w, leaving holes for blocks of
// zeros, and returns the number of bytes. If there are more than most, or if only a
// reserve of w's file system is still free, it ends with an error that contains the
// remedy; in the latter case it is also an ENOSPC.
func CopySparse(w *os.File, in io.Reader, most int64) (int64, error) {
	return copySparse(w, in, most, func() (int64, int64, error) { return roomOf(w) })
}

// copySparse is CopySparse with the space that room returns, see roomOf.
func copySparse(w *os.File, in io.Reader, most int64, room func() (spare, reserve int64, err error)) (int64, error) {
	b := make([]byte, rawBlock)
	a := allowance{room: room, left: math.MaxInt64}
	for off := int64(0); ; {
		n, err := 0, error(nil)
		for n < len(b) && err == nil { // io.ReadFull would treat a truncated stream as a short last block
			var k int
			k, err = in.Read(b[n:])
			n += k
		}
		if off+int64(n) > most {
			return off, fmt.Errorf("it unpacks to more than %s, the most that is unpacked: unpack it beforehand", mebibytes(most))
		}
		if n > 0 && !pipeline.IsZero(b[:n]) {
			if err := a.take(int64(n)); err != nil {
				return off, fmt.Errorf("after %s of it, for the file system of %s: %w", mebibytes(off), filepath.Dir(w.Name()), err)
			}
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
		}
	}
}

// allowance is the amount of data that may be written to a file system that others
// use as well.
type allowance struct {
	room func() (spare, reserve int64, err error)
	// left counts down from the first answer on: a file system may not count data
	// that is not on its medium yet.
	left  int64
	until int64 // how much may be written before room is called again
}

// take takes n bytes, at most rawBlock.
func (a *allowance) take(n int64) error {
	if a.until < n {
		spare, reserve, err := a.room()
		if err != nil {
			return fmt.Errorf("look for room: %w", err)
		}
		if a.left = min(a.left, spare); a.left < n {
			return fmt.Errorf("%w but for a reserve of %s: make room there, or unpack it beforehand", syscall.ENOSPC, mebibytes(reserve))
		}
		a.until = min(a.left, 64<<20)
	}
	a.until -= n
	a.left -= n
	return nil
}

// roomIn computes roomOf from what a file system reports.
func roomIn(blocks, free uint64, size int64) (spare, reserve int64) {
	if blocks == 0 { // some have no limit
		return math.MaxInt64, 0
	}
	reserve = min(int64(min(blocks, 1<<40))*size/20, 1<<30)
	return int64(min(free, 1<<40))*size - reserve, reserve
}
