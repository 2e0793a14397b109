// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"github.com/carosio/carosbuild/pkg/ctxio"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// Compression is the compression of layers for a registry or an OCI layout.
type Compression string

// Gzip is read everywhere. Zstd is smaller at half the cost; recent registries and
// podman read it, as does docker since version 23.
const (
	Gzip Compression = "gzip"
	Zstd Compression = "zstd"
)

// packing is how a blob is compressed.
type packing struct {
	Compression
	level int // 0 means the default
}

// suffix is the end of the file name of a blob's note.
func (p packing) suffix() string {
	if p.level == 0 {
		return string(p.Compression)
	}
	return fmt.Sprintf("%s-%d", p.Compression, p.level)
}

func (c Compression) mediaType() (types.MediaType, error) {
	switch c {
	case Gzip:
		return types.OCILayer, nil
	case Zstd:
		return types.OCILayerZStd, nil
	}
	return "", fmt.Errorf("unknown compression %q", c)
}

// BlobCache keeps compressed layers, so that each is compressed once. A blob is
// written beside its place, synced and renamed; it is checked each time it is used;
// if it is damaged, it is put aside and made again.
//
//	DIR/blobs/sha256/HEX        the blob
//	DIR/index/DIFFID.gzip       sealed: the layer that it is from, and its descriptor;
//	                            with another level, DIFFID.gzip-9
//	DIR/quarantine/HEX          a damaged blob
type BlobCache struct{ Dir string }

// blobEntry says which blob is the compressed form of a layer. It names the layer,
// so that an entry under the name of another one is detected.
type blobEntry struct {
	DiffID     v1.Hash       `json:"diffID"`
	Descriptor v1.Descriptor `json:"descriptor"`
}

func (b BlobCache) blobsDir() string      { return filepath.Join(b.Dir, "blobs", "sha256") }
func (b BlobCache) indexDir() string      { return filepath.Join(b.Dir, "index") }
func (b BlobCache) quarantineDir() string { return filepath.Join(b.Dir, "quarantine") }

func (b BlobCache) indexFile(diffID v1.Hash, p packing) string {
	return filepath.Join(b.indexDir(), diffID.Hex+"."+p.suffix())
}

// sweep removes unfinished files of killed processes.
func (b BlobCache) sweep() { freshfile.Sweep(b.blobsDir(), ".new-") }

func (b BlobCache) blobFile(h v1.Hash) string { return blobPath(b.Dir, h) }

// find is the descriptor of a layer's blob. The blob exists and has the right size,
// but has not been read.
func (b BlobCache) find(diffID v1.Hash, c packing) (v1.Descriptor, bool) {
	var e blobEntry
	ok, err := sealed.Read(b.indexFile(diffID, c), &e)
	d := e.Descriptor
	if err != nil || !ok || e.DiffID != diffID || CheckDigest(d.Digest) != nil {
		return d, false
	}
	if want, err := c.mediaType(); err != nil || d.MediaType != want {
		return d, false
	}
	st, err := os.Stat(b.blobFile(d.Digest))
	return d, err == nil && st.Size() == d.Size
}

// check reads a blob, and puts it aside if it is damaged.
func (b BlobCache) check(d v1.Descriptor) error {
	f, err := os.Open(b.blobFile(d.Digest))
	if err != nil {
		return err
	}
	v := newVerifier(f, d.Digest, d.Size)
	_, err = io.Copy(io.Discard, v)
	err = errors.Join(err, v.Close())
	if err == nil {
		return nil
	}
	q := b.quarantineDir()
	if e := os.MkdirAll(q, 0o700); e != nil {
		return errors.Join(err, e)
	}
	e := os.Rename(b.blobFile(d.Digest), filepath.Join(q, d.Digest.Hex))
	if errors.Is(e, fs.ErrNotExist) {
		e = nil
	}
	return errors.Join(err, e)
}

// put compresses the stream from write, and stores it as the blob of diffID.
func (b BlobCache) put(ctx context.Context, diffID v1.Hash, c packing, jobs int, write func(io.Writer) error) (v1.Descriptor, error) {
	mt, err := c.mediaType()
	if err != nil {
		return v1.Descriptor{}, err
	}
	dir := b.blobsDir()
	for _, d := range []string{dir, b.indexDir()} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return v1.Descriptor{}, err
		}
	}
	f, err := freshfile.Create(dir, ".new-")
	if err != nil {
		return v1.Descriptor{}, err
	}
	sum := sha256.New()
	var n counter
	err = compress(io.MultiWriter(f, sum, &n), c, jobs, func(w io.Writer) error {
		return write(ctxio.Writer(ctx, w))
	})
	d := v1.Descriptor{MediaType: mt, Size: int64(n), Digest: v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(sum.Sum(nil))}}
	if err := freshfile.Finish(f, b.blobFile(d.Digest), 0o600, err); err != nil {
		return v1.Descriptor{}, err
	}
	return d, sealed.Write(b.indexFile(diffID, c), blobEntry{diffID, d})
}

// compress writes a compressed stream. It uses several processors; the bytes do not
// depend on their number.
func compress(w io.Writer, c packing, jobs int, write func(io.Writer) error) error {
	var z io.WriteCloser
	var err error
	switch c.Compression {
	case Gzip:
		var g *pgzip.Writer
		if g, err = pgzip.NewWriterLevel(w, cmp.Or(c.level, pgzip.DefaultCompression)); err == nil {
			err = g.SetConcurrency(1<<20, max(jobs, 1))
		}
		z = g
	case Zstd:
		z, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(cmp.Or(c.level, 3))), zstd.WithEncoderConcurrency(max(jobs, 1)))
	default:
		err = fmt.Errorf("unknown compression %q", c.Compression)
	}
	if err != nil {
		return err
	}
	return errors.Join(write(z), z.Close())
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
