// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// TarCache keeps uncompressed layers, so that each is fetched and decompressed
// once. It may be deleted at any time. Damage of any kind, also after a loss of
// power, is noticed before use: the layer is then put aside and fetched again.
//
//	DIR/HEX.tar           the stream with that diffID; runs of zeros are holes
//	DIR/HEX.json          sealed: its digest, length and CRC-32C
//	DIR/quarantine/HEX    a damaged one
type TarCache struct {
	Dir    string
	Limits Limits // zero values mean the defaults
}

// tarSum is stored beside a stream. It is enough to find damage; it need not prove
// the origin of the stream, which was checked against its digest when it was
// written.
type tarSum struct {
	DiffID v1.Hash `json:"diffID"` // of the stream, in case two cached layers have been exchanged
	Size   int64   `json:"size"`
	CRC32  uint32  `json:"crc32c"` // Castagnoli
}

var crcTable = crc32.MakeTable(crc32.Castagnoli)

func (c TarCache) tarFile(id v1.Hash) string { return filepath.Join(c.Dir, id.Hex+".tar") }
func (c TarCache) sumFile(id v1.Hash) string { return filepath.Join(c.Dir, id.Hex+".json") }

// scratch opens a file without a name on the file system of the cache.
func (c TarCache) scratch() (*os.File, error) { return freshfile.Scratch(c.Dir) }

// open opens a layer from the cache. If it is not there, plain, unless it is nil, opens
// it elsewhere; otherwise write puts it into the cache.
func (c TarCache) open(ctx context.Context, id v1.Hash, plain func() (Tar, error), write func(io.Writer) error) (Tar, error) {
	f, sum, err := c.find(ctx, id)
	if err != nil {
		return Tar{}, err
	}
	if f == nil {
		if plain != nil {
			if t, err := plain(); err != nil || t.from != nil {
				return t, err
			}
		}
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return Tar{}, err
		}
		if f, sum, err = c.put(id, write); err != nil {
			return Tar{}, err
		}
	}
	return Tar{DiffID: id, Size: sum.Size, from: f}, nil
}

// find opens a cached layer and reads all of it, which costs little with this
// checksum. The file is nil unless the layer is intact.
func (c TarCache) find(ctx context.Context, id v1.Hash) (*os.File, tarSum, error) {
	var want tarSum
	f, err := os.Open(c.tarFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, want, nil
	}
	if err != nil {
		return nil, want, err
	}
	ok, err := sealed.Read(c.sumFile(id), &want)
	if err != nil {
		return nil, want, errors.Join(err, f.Close())
	}
	if ok {
		got, err := sumOf(ctx, id, f)
		if err != nil && ctx.Err() != nil {
			return nil, want, errors.Join(err, f.Close())
		}
		if err == nil && got == want {
			return f, want, nil
		}
	}
	return nil, want, errors.Join(f.Close(), c.quarantine(id))
}

func sumOf(ctx context.Context, id v1.Hash, r io.Reader) (tarSum, error) {
	sum := crc32.New(crcTable)
	n, err := io.CopyBuffer(ctxio.Writer(ctx, sum), struct{ io.Reader }{r}, make([]byte, 1<<20))
	return tarSum{id, n, sum.Sum32()}, err
}

// quarantine moves a damaged layer away.
func (c TarCache) quarantine(id v1.Hash) error {
	dir := filepath.Join(c.Dir, "quarantine")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err := os.Rename(c.tarFile(id), filepath.Join(dir, id.Hex))
	if errors.Is(err, fs.ErrNotExist) { // by another process
		return nil
	}
	return err
}

// put stores the stream from write if its digest is the expected one. It does not
// wait for the disk: see find.
func (c TarCache) put(id v1.Hash, write func(io.Writer) error) (*os.File, tarSum, error) {
	freshfile.Sweep(c.Dir, ".new-") // of killed processes
	f, err := freshfile.Create(c.Dir, ".new-")
	if err != nil {
		return nil, tarSum{}, err
	}
	w := newTarWriter(f)
	buf := bufio.NewWriterSize(w, 8*zeroRun) // so that runs of zeros are not split
	err = write(buf)
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = w.finish(id)
	}
	if err == nil {
		err = freshfile.Place(f, c.tarFile(id))
	}
	if err != nil {
		return nil, tarSum{}, errors.Join(err, freshfile.Discard(f))
	}
	sum := tarSum{id, w.size, w.crc.Sum32()}
	if err := sealed.Write(c.sumFile(id), sum); err != nil {
		return nil, sum, errors.Join(err, f.Close())
	}
	return f, sum, nil
}

// tarWriter writes a stream into an empty file and leaves runs of zeros out.
type tarWriter struct {
	file *os.File
	sum  hash.Hash
	crc  hash.Hash32
	size int64
}

func newTarWriter(f *os.File) *tarWriter {
	return &tarWriter{file: f, sum: sha256.New(), crc: crc32.New(crcTable)}
}

// zeroRun is the length in bytes of the blocks that are checked for zeros and left
// out.
const zeroRun = 32 << 10

var zeroBytes [zeroRun]byte

// Write implements io.Writer.
func (w *tarWriter) Write(p []byte) (int, error) {
	w.sum.Write(p)
	w.crc.Write(p)
	for rest := p; len(rest) > 0; {
		n := min(len(rest), zeroRun-int(w.size%zeroRun))
		if n < zeroRun || !bytes.Equal(rest[:n], zeroBytes[:]) {
			if _, err := w.file.WriteAt(rest[:n], w.size); err != nil {
				return len(p) - len(rest), err
			}
		}
		w.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// finish gives the file its length and checks the digest.
func (w *tarWriter) finish(want v1.Hash) error {
	if got := hex.EncodeToString(w.sum.Sum(nil)); got != want.Hex {
		return fmt.Errorf("its digest is sha256:%s, not %s", got, want)
	}
	return w.file.Truncate(w.size)
}
