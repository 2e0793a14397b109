// SPDX-License-Identifier: MPL-2.0

package sums

import (
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// tree makes a directory with files, NAME=CONTENT, and directories, NAME.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "diff")
	for _, f := range files {
		name, content, isFile := strings.Cut(f, "=")
		file := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(file), 0o755)
		if err == nil && isFile {
			err = os.WriteFile(file, []byte(content), 0o644)
		} else if err == nil {
			err = os.Mkdir(file, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// record records a directory as a layer's, and opens the record.
func record(t *testing.T, dir, id string) *Reader {
	t.Helper()
	known := archive.CRCs{}
	err := List(dir, archive.Format{Prefix: archive.UserOverlay}, func(f *File, ino uint64) error {
		if f.Size == 0 {
			return nil
		}
		content, err := os.ReadFile(filepath.Join(dir, f.Path))
		known[ino] = crc32.Checksum(content, crcTable)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), id)
	if err := Make(file, id, dir, archive.Format{Prefix: archive.UserOverlay}, known); err != nil {
		t.Fatal(err)
	}
	r, err := Open(file, id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var ids = []string{strings.Repeat("1", 64), strings.Repeat("2", 64)}

// A directory is compared with its record; what has changed is named.
func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"nothing": {func(string) error { return nil }, ""},
		"removed": {func(dir string) error { return os.Remove(dir + "/a/f") }, "/a has changed: its time, /a/f is missing"},
		"last":    {func(dir string) error { return os.Remove(dir + "/z") }, "has changed: its time, /z is missing"},
		"added":   {func(dir string) error { return os.WriteFile(dir+"/a/e", nil, 0o644) }, "/a has changed: its time, /a/e was added"},
		"mode":    {func(dir string) error { return os.Chmod(dir+"/g", 0o600) }, "/g has changed: mode 600, was 644"},
		"longer":  {func(dir string) error { return os.WriteFile(dir+"/g", []byte("longer"), 0o644) }, "/g has changed: 6 bytes, were 3"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, "a/f=one", "g=two", "z")
			r := record(t, dir, ids[0])
			if err := tt.change(dir); err != nil {
				t.Fatal(err)
			}
			found, err := r.Check(dir, archive.Format{Prefix: archive.UserOverlay}, 10)
			var got []string
			for _, m := range found {
				got = append(got, m.Error())
			}
			if strings.Join(got, ", ") != tt.want || err != nil {
				t.Errorf("got %q, want %q; %v", got, tt.want, err)
			}
		})
	}
}

// For each file, the topmost layer's record counts.
func TestMerge(t *testing.T) {
	low := record(t, tree(t, "a/f=one", "a/g=two", "b=three"), ids[0])
	top := record(t, tree(t, "a/g=other", "a/h=new"), ids[1])
	e := Merge([]*Reader{top, low})
	var got []string
	for {
		f, layer, ok, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, layer[:1]+" "+f.Path)
	}
	want := []string{"2 ", "2 a", "1 a/f", "2 a/g", "2 a/h", "1 b"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A record of another layer or a damaged one counts as missing.
func TestOpen(t *testing.T) {
	dir := tree(t, "empty=")
	file := filepath.Join(t.TempDir(), "record")
	if err := Make(file, ids[0], dir, archive.Format{Prefix: archive.UserOverlay}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, ids[0]); err != nil {
		t.Error(err)
	}
	if _, err := Open(file, ids[1]); !errors.Is(err, ErrNone) {
		t.Errorf("another layer's: %v", err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] ^= 4
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(file, ids[0]); !errors.Is(err, ErrNone) {
			t.Errorf("damage at %d: %v", i, err)
		}
		data[i] ^= 4
	}
}

// A file without a known sum is not recorded.
func TestMakeWantsSums(t *testing.T) {
	var m *archive.Mismatch
	err := Make(filepath.Join(t.TempDir(), "record"), ids[0], tree(t, "f=x"), archive.Format{Prefix: archive.UserOverlay}, nil)
	if !errors.As(err, &m) || m.Path != "f" {
		t.Errorf("got %v", err)
	}
}
