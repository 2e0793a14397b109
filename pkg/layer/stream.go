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
	"hash/crc32"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/vbatts/tar-split/tar/storage"
	cstorage "go.podman.io/storage"
	"go.podman.io/storage/pkg/archive"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

func (s *Store) splitFile(id string) string {
	return filepath.Join(s.graph, "overlay-layers", id+".tar-split.gz")
}

// WriteTar writes the layer's uncompressed tar stream, the bytes that its
// diffID digests. It takes no lock of the store, and says ErrDamaged when the
// layer's files have changed.
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

// writeSummed reads the whole layer, checks its digest, and notes the sums of
// its files.
func (s *Store) writeSummed(l Layer, known crcs) error {
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

// writerFunc takes all that is written.
type writerFunc func(p []byte) error

func (f writerFunc) Write(p []byte) (int, error) {
	if err := f(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *Store) writeTar(l Layer, w io.Writer, known crcs) error {
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
	a := assembler{layer: l.ID, dir: s.diffDir(l.ID), known: known, buf: make([]byte, 256<<10)}
	return a.assemble(z, w)
}

// assembler makes a tar stream of a tar-split and a layer's directory.
type assembler struct {
	layer, dir string
	known      crcs // where sums are noted, or nil
	buf        []byte
}

// assemble writes the stream.
func (a *assembler) assemble(split io.Reader, w io.Writer) error {
	root, err := unix.Open(a.dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &DamageError{a.layer, "", fmt.Sprintf("its files: %v", err)}
	}
	defer unix.Close(root)
	out := bufio.NewWriterSize(w, 256<<10)
	crc := crc64.New(storage.CRCTable)
	dec := json.NewDecoder(split)
	for {
		var e storage.Entry
		if err := dec.Decode(&e); err == io.EOF {
			return out.Flush()
		} else if err != nil {
			return &DamageError{a.layer, "", fmt.Sprintf("its tar record: %v", err)}
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
		if err := a.copyFile(io.MultiWriter(out, crc), root, e.GetName(), e.Size); err != nil {
			return err
		}
		if !bytes.Equal(crc.Sum(nil), e.Payload) {
			return &DamageError{a.layer, cleanRel(e.GetName()), "has another content than was stored"}
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

// sumFiles notes the sums of the files of a layer that has no tar-split, for
// which their digest, which w takes, is all there is to check them by.
func (s *Store) sumFiles(l Layer, known crcs, w io.Writer) error {
	root, err := unix.Open(s.diffDir(l.ID), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &DamageError{l.ID, "", fmt.Sprintf("its files: %v", err)}
	}
	defer unix.Close(root)
	a := assembler{layer: l.ID, known: known, buf: make([]byte, 256<<10)}
	err = listFiles(s.diffDir(l.ID), s.ovl.prefix, func(f *FileSum, _ uint64) error {
		if f.Size == 0 {
			return nil
		}
		return a.copyFile(io.Discard, root, f.Path, f.Size)
	})
	if err != nil {
		return err
	}
	return s.diffByStore(l, w)
}

func (a *assembler) copyFile(w io.Writer, root int, rel string, size int64) error {
	fd, err := beneath.Open(root, cleanRel(rel), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW)
	if err != nil {
		return &DamageError{a.layer, cleanRel(rel), fmt.Sprintf("cannot be opened: %v", err)}
	}
	f := os.NewFile(uintptr(fd), rel)
	defer f.Close()
	sum := crc32.New(castagnoli)
	if a.known != nil {
		w = io.MultiWriter(w, sum)
	}
	n, err := io.CopyBuffer(w, io.LimitReader(f, size), a.buf)
	if err != nil {
		return fmt.Errorf("read %s: %w", shown(cleanRel(rel)), err)
	}
	if n != size {
		return &DamageError{a.layer, cleanRel(rel), fmt.Sprintf("has %d bytes, had %d", n, size)}
	}
	if a.known != nil {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		a.known[st.Ino] = sum.Sum32()
	}
	return nil
}
