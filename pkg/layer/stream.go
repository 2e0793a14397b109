// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vbatts/tar-split/tar/storage"
	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"
)

// ErrDamaged says that stored bytes are not those that were stored.
var ErrDamaged = errors.New("damaged in the store")

func (s *Store) splitFile(id string) string {
	return filepath.Join(s.graph, "overlay-layers", id+".tar-split.gz")
}

// WriteTar writes the layer's uncompressed tar stream, the bytes that its
// diffID digests. It takes no lock of the store, and says ErrDamaged when the
// layer's files have changed.
func (s *Store) WriteTar(l Layer, w io.Writer) error {
	sum := sha256.New()
	if err := s.writeTar(l, io.MultiWriter(w, sum)); err != nil {
		return fmt.Errorf("read layer %s: %w", short(l.ID), err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != l.DiffID.Hex {
		return fmt.Errorf("read layer %s: its tar has the digest sha256:%s, not %s: %w", short(l.ID), got, l.DiffID, ErrDamaged)
	}
	return nil
}

// measure is the length in bytes of a layer's tar stream.
func (s *Store) measure(l Layer) (int64, error) {
	var n counter
	err := s.WriteTar(l, &n)
	return int64(n), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

func (s *Store) writeTar(l Layer, w io.Writer) error {
	split, err := os.Open(s.splitFile(l.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return s.diffByStore(l, w)
	}
	if err != nil {
		return err
	}
	defer split.Close()
	z, err := gzip.NewReader(bufio.NewReaderSize(split, 64<<10))
	if err != nil {
		return fmt.Errorf("tar record: %w", err)
	}
	defer z.Close()
	return assemble(z, s.diffDir(l.ID), w)
}

// assemble writes the tar stream that a tar-split and a layer's directory
// make.
func assemble(split io.Reader, dir string, w io.Writer) error {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	out := bufio.NewWriterSize(w, 256<<10)
	buf, crc := make([]byte, 256<<10), crc64.New(storage.CRCTable)
	dec := json.NewDecoder(split)
	for {
		var e storage.Entry
		if err := dec.Decode(&e); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return fmt.Errorf("tar record: %w", err)
		}
		if e.Type == storage.SegmentType {
			if _, err := out.Write(e.Payload); err != nil {
				return err
			}
			continue
		}
		if e.Size == 0 {
			continue
		}
		crc.Reset()
		if err := copyFile(io.MultiWriter(out, crc), root, e.GetName(), e.Size, buf); err != nil {
			return err
		}
		if !bytes.Equal(crc.Sum(nil), e.Payload) {
			return fmt.Errorf("file %q: %w", e.GetName(), ErrDamaged)
		}
	}
}

// diffByStore makes the stream of a layer that has no tar-split.
func (s *Store) diffByStore(l Layer, w io.Writer) error {
	plain := archive.Uncompressed
	r, err := s.store.Diff("", l.ID, &cstorage.DiffOptions{Compression: &plain})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, r.Close())
}

func copyFile(w io.Writer, root int, rel string, size int64, buf []byte) error {
	fd, err := unix.Openat2(root, cleanRel(rel), &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOFOLLOW,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return fmt.Errorf("file %q: %w: %w", rel, err, ErrDamaged)
	}
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	n, err := io.CopyBuffer(w, io.LimitReader(f, size), buf)
	if err != nil {
		return fmt.Errorf("file %q: %w", rel, err)
	}
	if n != size {
		return fmt.Errorf("file %q has %d of %d bytes: %w", rel, n, size, ErrDamaged)
	}
	return nil
}
