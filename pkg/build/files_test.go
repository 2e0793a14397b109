// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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
	base, err := fileDigest(t.Context(), sourceTree(t))
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
		got, err := fileDigest(t.Context(), dir)
		if err != nil || (got == base) != tt.same {
			t.Errorf("%s: equal digests: %v, want %v (%v)", tt.name, got == base, tt.same, err)
		}
	}
	dir := sourceTree(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "p"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fileDigest(t.Context(), dir); err == nil {
		t.Error("a fifo was taken")
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
		got, err := findSource(s, tt.source)
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
	if _, err := findSource(s, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing source: %v", err)
	}
}

func TestBaseName(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a/b": "b", "/a/b/": "b", ".": "", "a/.": "a", "/": ""} {
		if got := baseName(in); got != want {
			t.Errorf("baseName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStepLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b", "s.log")
	var lines []string
	l, err := openStepLog(path, func(s string) { lines = append(lines, s) })
	if err != nil {
		t.Fatal(err)
	}
	l.title("RUN x")
	for _, s := range []string{"one\ntw", "o\n", "10%\r20%\r\n", strings.Repeat("x", maxLine+5), "\nlast"} {
		if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
			t.Fatal(n, err)
		}
	}
	want := []string{"one", "two", "20%", strings.Repeat("x", maxLine), "xxxxx", "last"}
	if diff := cmp.Diff(l.tail(), want); diff != "" {
		t.Errorf("tail (-got +want):\n%s", diff)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines, want); diff != "" {
		t.Errorf("lines (-got +want):\n%s", diff)
	}
	data, err := os.ReadFile(path)
	if want := "==> RUN x\none\ntwo\n10%\r20%\r\n" + strings.Repeat("x", maxLine+5) + "\nlast"; string(data) != want || err != nil {
		t.Errorf("file has %q, want %q (%v)", data, want, err)
	}
}

func TestStepLogKeepsTheLast(t *testing.T) {
	l, err := openStepLog(filepath.Join(t.TempDir(), "s.log"), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.Write([]byte(strings.Repeat("a\n", 100) + "z\n"))
	if got := l.tail(); len(got) != tailLines || got[tailLines-1] != "z" {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	l.title("next")
	if got := l.tail(); len(got) != 0 {
		t.Errorf("the next step begins with %q", got)
	}
}

func TestPins(t *testing.T) {
	p := Pins{Dir: filepath.Join(t.TempDir(), "pins")}
	if _, ok := p.read("k"); ok {
		t.Error("an empty directory has a pin")
	}
	for _, want := range []string{"a@sha256:1", "a@sha256:2"} {
		if err := p.write("k", pin{Image: want}); err != nil {
			t.Fatal(err)
		}
		if got, ok := p.read("k"); !ok || got.Image != want {
			t.Errorf("read %q, want %q", got.Image, want)
		}
	}
	if err := os.WriteFile(p.path("k"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.read("k"); ok {
		t.Error("a damaged pin was taken")
	}
	left, err := os.ReadDir(p.Dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left (%v)", len(left), err)
	}
}

// A pin that was being written when its process was killed goes with the next
// one; what somebody may be writing stays.
func TestUnfinishedPins(t *testing.T) {
	p := Pins{Dir: t.TempDir()}
	old, young := filepath.Join(p.Dir, ".new-1"), filepath.Join(p.Dir, ".new-2")
	for _, f := range []string{old, young} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	then := time.Now().Add(-time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	if got := p.Unfinished(time.Now()); len(got) != 1 || got[0] != old {
		t.Errorf("unfinished: %q", got)
	}
	if err := p.write("a", pin{Image: "x@sha256:0"}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(old); err == nil {
		t.Error("the one of an hour ago is still there")
	}
	if _, err := os.Lstat(young); err != nil {
		t.Error(err)
	}
}
