// SPDX-License-Identifier: MPL-2.0

package oci

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/fsck"
)

// A flipped bit in any kind of file of the caches is found once, and the file is put
// aside.
func TestFsckOfCaches(t *testing.T) {
	text := []byte("some layer\n")
	write := func(w io.Writer) error { _, err := w.Write(text); return err }
	id := DigestOf(text)
	for _, tt := range []struct {
		files, kind string
		fsck        func(dir string, c *fsck.Check) error
	}{
		{"blobs/sha256/*", "blob", func(dir string, c *fsck.Check) error { return BlobCache{dir}.Fsck(t.Context(), c) }},
		{"index/*", "note of a blob", func(dir string, c *fsck.Check) error { return BlobCache{dir}.Fsck(t.Context(), c) }},
		{"*.tar", "tar", func(dir string, c *fsck.Check) error { return TarCache{Dir: dir}.Fsck(t.Context(), c) }},
		{"*.json", "tar", func(dir string, c *fsck.Check) error { return TarCache{Dir: dir}.Fsck(t.Context(), c) }},
	} {
		dir := t.TempDir()
		_, err := BlobCache{dir}.put(t.Context(), id, packing{Gzip, 0}, 1, write)
		if tt.kind == "tar" {
			var tar Tar
			if tar, err = (TarCache{Dir: dir}).open(t.Context(), id, nil, write); err == nil {
				err = tar.from.Close()
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		find := func(look bool) []fsck.Damage {
			t.Helper()
			c := &fsck.Check{Look: look}
			if err := tt.fsck(dir, c); err != nil || len(c.Counts) == 0 {
				t.Fatalf("%s: %v, checked %v", tt.files, err, c.Counts)
			}
			return c.Found
		}
		if found := find(false); len(found) > 0 {
			t.Errorf("%s: of what is sound: %v", tt.files, found)
		}
		names, _ := filepath.Glob(filepath.Join(dir, tt.files))
		flip(t, names[0])
		for _, look := range []bool{true, false} {
			if found := find(look); len(found) != 1 || found[0].Kind != tt.kind {
				t.Errorf("%s: found %v", tt.files, found)
			}
		}
		c := &fsck.Check{}
		if err := tt.fsck(dir, c); err != nil || len(c.Found) > 0 {
			t.Errorf("%s: afterwards: %v, %v", tt.files, c.Found, err)
		}
		aside, _ := filepath.Glob(filepath.Join(dir, "quarantine", "*"))
		if kept := tt.kind != "note of a blob"; kept != (len(aside) == 1) {
			t.Errorf("%s: put aside: %v", tt.files, aside)
		}
	}
	if err := errors.Join(BlobCache{"none"}.Fsck(t.Context(), &fsck.Check{}), TarCache{Dir: "none"}.Fsck(t.Context(), &fsck.Check{})); err != nil {
		t.Error(err)
	}
}

func flip(t *testing.T, name string) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
