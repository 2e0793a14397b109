// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	cstorage "go.podman.io/storage"
	carchive "go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/layer/sums"
)

func (s *Store) splitFile(id string) string {
	return filepath.Join(s.graph, "overlay-layers", id+".tar-split.gz")
}

// WriteTar writes the layer's uncompressed tar stream, whose digest is its diffID. It
// takes no lock of the store, and returns ErrDamaged if the layer's files have changed.
func (s *Store) WriteTar(l Layer, w io.Writer) error {
	sum := sha256.New()
	if err := s.writeTar(l, io.MultiWriter(w, sum), nil); err != nil {
		return fmt.Errorf("read layer %s: %w", short(l.ID), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.DiffID.Hex {
		return &DamageError{l.ID, "", fmt.Sprintf("its tar has the digest sha256:%s, not %s", got, l.DiffID)}
	}
	return nil
}

// writeSummed reads the whole layer, checks its digest, and puts the sums of its files
// into known.
func (s *Store) writeSummed(l Layer, known archive.CRCs) error {
	sum := sha256.New()
	if err := s.writeTar(l, sum, known); err != nil {
		return fmt.Errorf("read layer %s: %w", short(l.ID), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.DiffID.Hex {
		return &DamageError{l.ID, "", fmt.Sprintf("its tar has the digest sha256:%s, not %s", got, l.DiffID)}
	}
	return nil
}

// measure is the length in bytes of a layer's tar stream.
func (s *Store) measure(l Layer) (int64, error) {
	var n int64
	err := s.WriteTar(l, writerFunc(func(p []byte) error { n += int64(len(p)); return nil }))
	return n, err
}

// writerFunc is an io.Writer from a function.
type writerFunc func(p []byte) error

func (f writerFunc) Write(p []byte) (int, error) {
	if err := f(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *Store) writeTar(l Layer, w io.Writer, known archive.CRCs) error {
	split, err := os.Open(s.splitFile(l.ID))
	if errors.Is(err, fs.ErrNotExist) {
		if known != nil {
			return s.sumFiles(l, known, w)
		}
		return s.diffByStore(l, w)
	}
	if err != nil {
		return err
	}
	defer split.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(split, 64<<10))
	if err != nil {
		return &DamageError{l.ID, "", fmt.Sprintf("its tar record: %v", err)}
	}
	defer z.Close()
	return damage(l.ID, archive.Assemble(w, z, s.diffDir(l.ID), known))
}

// diffByStore makes the stream of a layer that has no tar-split.
func (s *Store) diffByStore(l Layer, w io.Writer) error {
	plain := carchive.Uncompressed
	r, err := s.store.Diff("", l.ID, &cstorage.DiffOptions{Compression: &plain})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

// sumFiles puts the sums of a layer without tar-split into known. Such a layer can only be
// checked by its digest, for which it writes the stream to w.
func (s *Store) sumFiles(l Layer, known archive.CRCs, w io.Writer) error {
	root, err := unix.Open(s.diffDir(l.ID), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &DamageError{l.ID, "", fmt.Sprintf("its files: %v", err)}
	}
	defer unix.Close(root)
	buf := make([]byte, 256<<10)
	err = sums.List(s.diffDir(l.ID), s.format, func(f *sums.File, _ uint64) error {
		if f.Size == 0 {
			return nil
		}
		return archive.SumFile(root, f.Path, f.Size, known, buf)
	})
	if err != nil {
		return damage(l.ID, err)
	}
	return s.diffByStore(l, w)
}
