// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/evict"
)

// removed removes all units and returns their paths.
func removed(t *testing.T, units []evict.Unit) []string {
	t.Helper()
	var paths []string
	for _, u := range units {
		paths = append(paths, u.Path)
		if err := u.Remove(); err != nil {
			t.Error(err)
		}
	}
	return paths
}

func TestBlobCacheUnits(t *testing.T) {
	content := []byte("a layer")
	diffID, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	b := BlobCache{t.TempDir()}
	put := func() v1.Descriptor {
		d, err := b.put(t.Context(), diffID, packing{Compression: Gzip}, 1, func(w io.Writer) error { _, err := w.Write(content); return err })
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := put()
	if err := os.Truncate(b.blobFile(d.Digest), 1); err != nil {
		t.Fatal(err)
	}
	if err := b.check(d); err == nil {
		t.Fatal("a damaged blob is not noticed")
	}
	put()
	units, err := b.Units()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{b.blobFile(d.Digest), b.indexFile(diffID, packing{Compression: Gzip}), filepath.Join(b.quarantineDir(), d.Digest.Hex)}
	if diff := cmp.Diff(want, removed(t, units)); diff != "" {
		t.Errorf("units: -want +got\n%s", diff)
	}
	if _, ok := b.find(diffID, packing{Compression: Gzip}); ok {
		t.Error("the blob is still found")
	}
}

func TestTarCacheUnits(t *testing.T) {
	content := make([]byte, 100<<10)
	content[99<<10] = 1
	diffID, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	c := TarCache{Dir: t.TempDir()}
	tar, err := c.open(t.Context(), diffID, nil, func(w io.Writer) error { _, err := w.Write(content); return err })
	if err != nil {
		t.Fatal(err)
	}
	if err := tar.from.Close(); err != nil {
		t.Fatal(err)
	}
	units, err := c.Units()
	if err != nil || len(units) != 1 {
		t.Fatalf("a layer and its sum are not one unit: %v, %v", units, err)
	}
	removed(t, units)
	if left, err := os.ReadDir(c.Dir); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
