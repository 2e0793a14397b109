// SPDX-License-Identifier: MPL-2.0

package evict

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func file(t *testing.T, path string, size int, read, written time.Time) {
	t.Helper()
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, size), 0o600), os.Chtimes(path, read, written))
	if err != nil {
		t.Fatal(err)
	}
}

func TestUnits(t *testing.T) {
	dir := t.TempDir()
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	file(t, filepath.Join(dir, "read"), 4096, day(3), day(1))
	file(t, filepath.Join(dir, "written"), 8192, day(1), day(2))
	file(t, filepath.Join(dir, "tree/deep/old"), 4096, day(1), day(1))
	file(t, filepath.Join(dir, "tree/deep/new"), 4096, day(5), day(1))
	if err := os.Link(filepath.Join(dir, "written"), filepath.Join(t.TempDir(), "second")); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"tree/deep", "tree"} { // listed late, changed early
		if err := os.Chtimes(filepath.Join(dir, d), day(9), day(4)); err != nil {
			t.Fatal(err)
		}
	}
	units, err := Units(dir)
	if err != nil || len(units) != 3 {
		t.Fatalf("%v, %v", units, err)
	}
	for i, want := range []struct {
		name  string
		used  time.Time
		files int64 // bytes
	}{{"read", day(3), 4096}, {"tree", day(5), 8192}, {"written", day(2), 4096}} {
		u := units[i]
		if filepath.Base(u.Path) != want.name || !u.Used.Equal(want.used) {
			t.Errorf("%s used %s, want %s %s", u.Path, u.Used, want.name, want.used)
		}
		if dirs := u.Size - want.files; dirs < 0 || dirs > 8192 || want.name != "tree" && dirs != 0 {
			t.Errorf("%s has %d bytes, want %d", u.Path, u.Size, want.files)
		}
	}
	file(t, filepath.Join(dir, "read.json"), 4096, day(6), day(1))
	if units, err = Units(dir); err != nil {
		t.Fatal(err)
	}
	if units = Together(units); len(units) != 3 || units[0].Size != 8192 || !units[0].Used.Equal(day(6)) {
		t.Errorf("together: %+v", units)
	}
	if err := units[0].Remove(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "read*")); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	for range 2 {
		if err := units[1].Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(filepath.Join(dir, "tree")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("tree: %v", err)
	}
	if units, err := Units(filepath.Join(dir, "none")); err != nil || len(units) != 0 {
		t.Errorf("of no directory: %v, %v", units, err)
	}
	if u, err := Measure(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %v", u, err)
	}
}
