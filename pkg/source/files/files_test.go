// SPDX-License-Identifier: MPL-2.0

package files

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
)

// sourceTree makes a directory to add.
func sourceTree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "src")
	for name, content := range map[string]string{"a": "1", "d/b": "2"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a", filepath.Join(dir, "l")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFileDigest(t *testing.T) {
	base, err := Digest(t.Context(), sourceTree(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		same   bool
		change func(dir string) error
	}{
		{"other folder", true, func(string) error { return nil }},
		{"times", true, func(dir string) error { return os.Chtimes(filepath.Join(dir, "a"), time.Unix(1, 0), time.Unix(1, 0)) }},
		{"umask", true, func(dir string) error {
			return errors.Join(os.Chmod(filepath.Join(dir, "a"), 0o600), os.Chmod(filepath.Join(dir, "d"), 0o700))
		}},
		{"content", false, func(dir string) error { return os.WriteFile(filepath.Join(dir, "a"), []byte("2"), 0o644) }},
		{"executable", false, func(dir string) error { return os.Chmod(filepath.Join(dir, "a"), 0o755) }},
		{"name", false, func(dir string) error { return os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "A")) }},
		{"more", false, func(dir string) error { return os.WriteFile(filepath.Join(dir, "z"), nil, 0o644) }},
		{"empty directory", false, func(dir string) error { return os.Mkdir(filepath.Join(dir, "e"), 0o755) }},
		{"link target", false, func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "l")), os.Symlink("d", filepath.Join(dir, "l")))
		}},
		{"file for a link", false, func(dir string) error {
			return errors.Join(os.Remove(filepath.Join(dir, "l")), os.WriteFile(filepath.Join(dir, "l"), []byte("a"), 0o644))
		}},
	} {
		dir := sourceTree(t)
		if err := tt.change(dir); err != nil {
			t.Fatal(err)
		}
		got, err := Digest(t.Context(), dir)
		if err != nil || (got == base) != tt.same {
			t.Errorf("%s: equal digests: %v, want %v (%v)", tt.name, got == base, tt.same, err)
		}
	}
}

func TestFindSource(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	for _, p := range []string{first + "/f", first + "/s/f", first + "/g", second + "/g", second + "/h"} {
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := &decl.Stage{ID: "s", Dirs: []string{first, second}}
	for _, tt := range []struct{ source, want string }{
		{"f", first + "/s/f"}, {"g", first + "/g"}, {"h", second + "/h"}, {"f/x", ""}, {"none", ""}, {"../f", ""}, {second + "/h", second + "/h"},
	} {
		got, err := Find(s, tt.source)
		if tt.want == "" {
			if err == nil {
				t.Errorf("%s was found at %s", tt.source, got)
			}
			continue
		}
		if got != tt.want || err != nil {
			t.Errorf("%s is found at %s (%v), want %s", tt.source, got, err, tt.want)
		}
	}
	if _, err := Find(s, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing source: %v", err)
	}
}

func TestBaseName(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a/b": "b", "/a/b/": "b", ".": "", "a/.": "a", "/": ""} {
		if got := BaseName(in); got != want {
			t.Errorf("BaseName(%q) = %q, want %q", in, got, want)
		}
	}
}
