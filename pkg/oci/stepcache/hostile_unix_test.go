// SPDX-License-Identifier: MPL-2.0

//go:build unix

package stepcache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// A directory that somebody else has prepared gives an error. Nothing hangs, and no other
// directory is changed.
func TestHostileDirectory(t *testing.T) {
	l := layer(ocitest.MakeTar(t, ocitest.Reg("f", "1")))
	write := func(t *testing.T, p *Place, key string) error {
		r := Result{Layers: []oci.Digest{l.DiffID}, Config: oci.NewConfig("amd64")}
		return p.Put(t.Context(), Meta{Key: key, Written: time.Unix(1e9, 0)}, r, []oci.StoredLayer{l}, oci.Transfer{}, oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}})
	}
	read := func(t *testing.T, p *Place) error {
		e, err := p.Lookup(t.Context(), "k", "")
		if err != nil {
			return err
		}
		tars, err := e.Source.OpenTars(t.Context(), oci.TarCache{Dir: t.TempDir()})
		if err == nil {
			err = tars.Close()
		}
		return err
	}
	fifo := func(name string) error { return errors.Join(os.Remove(name), unix.Mkfifo(name, 0o666)) }
	allBlobs := func(dir string, f func(name string) error) error {
		return filepath.WalkDir(filepath.Join(dir, "blobs"), func(name string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				err = f(name)
			}
			return err
		})
	}
	for name, tt := range map[string]struct {
		prepare func(dir, outside string) error
		then    func(t *testing.T, p *Place) error
		works   bool
	}{
		"the index is a FIFO": {func(dir, _ string) error { return fifo(filepath.Join(dir, "index.json")) }, read, false},
		"blobs are FIFOs":     {func(dir, _ string) error { return allBlobs(dir, fifo) }, read, false},
		"blobs are FIFOs, and written": {
			func(dir, _ string) error { return allBlobs(dir, fifo) },
			func(t *testing.T, p *Place) error {
				again, err := Open(t.Context(), registry.Client{}, p.Name)
				if err != nil {
					return err
				}
				return write(t, again, "k")
			}, true,
		},
		"blobs have no end": {
			func(dir, _ string) error {
				return allBlobs(dir, func(name string) error { return errors.Join(os.Remove(name), os.Symlink("/dev/zero", name)) })
			}, read, false,
		},
		"the lock is a link": {
			func(dir, outside string) error {
				return os.Symlink(filepath.Join(outside, "made"), filepath.Join(dir, ".lock"))
			},
			func(t *testing.T, p *Place) error { return write(t, p, "other") }, false,
		},
		"the blobs are elsewhere": {
			func(dir, outside string) error {
				blobs := filepath.Join(dir, "blobs", "sha256")
				return errors.Join(os.CopyFS(outside, os.DirFS(blobs)), os.RemoveAll(blobs), os.Symlink(outside, blobs))
			},
			func(t *testing.T, p *Place) error {
				_, _, err := p.Prune(t.Context(), time.Now(), false)
				return err
			}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, dir := place(t)
			if err := write(t, p, "k"); err != nil {
				t.Fatal(err)
			}
			outside := t.TempDir()
			mine := filepath.Join(outside, strings.Repeat("a", 64))
			if err := errors.Join(os.WriteFile(mine, nil, 0o600), os.Chtimes(mine, time.Unix(1e9, 0), time.Unix(1e9, 0)), tt.prepare(dir, outside)); err != nil {
				t.Fatal(err)
			}
			if err := tt.then(t, p); (err == nil) != tt.works {
				t.Error(err)
			}
			if _, err := os.Stat(mine); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(outside, "made")); err == nil {
				t.Error("a file was made outside")
			}
		})
	}
}
