// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/files"
	"golang.org/x/sys/unix"
)

// Destinations may lead through links whose targets do not exist yet: the targets are
// made, inside the root.
func TestCopyThroughLinks(t *testing.T) {
	src := t.TempDir()
	if err := os.WriteFile(filepath.Join(src, "data"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, source, dest string
		into               bool
		want               string // file below the root, or part of the error
	}{
		{"below", "data", "/var/log/app/data", false, "var/volatile/log/app/data"},
		{"into", "data", "/var/log", true, "var/volatile/log/data"},
		{"contents of a directory", ".", "/var/log", false, "var/volatile/log/data"},
		{"absolute", "data", "/abs/x/data", false, "made/for/it/x/data"},
		{"a link to a link", "data", "/two/data", false, "var/volatile/log/data"},
		{"out of the root", "data", "/out/data", false, "etc/data"},
		{"circle", "data", "/a/data", false, "loop"},
		{"circle, a directory", ".", "/a", false, "loop"},
		{"a file in the way", "data", "/file/data", false, "not a directory"},
		{"a directory onto a file", ".", "/file", false, "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base := t.TempDir()
			root := filepath.Join(base, "root")
			if err := os.MkdirAll(filepath.Join(root, "var/volatile"), 0o755); err != nil {
				t.Fatal(err)
			}
			for name, to := range map[string]string{"var/log": "volatile/log", "abs": "/made/for/it", "two": "var/log", "out": "../../../etc", "a": "b", "b": "a"} {
				if err := os.Symlink(to, filepath.Join(root, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(root, "file"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			c := &copier{own: unchowned{}, root: fd, given: &[2]uint32{uint32(os.Getuid()), uint32(os.Getgid())}}
			err = c.add(t.Context(), digested(t, sourcePath{name: filepath.Base(tt.source), path: filepath.Join(src, tt.source)}), tt.dest, tt.into)
			if err != nil {
				if !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
			} else if b, err := os.ReadFile(filepath.Join(root, tt.want)); err != nil || string(b) != "x" {
				t.Errorf("%q, %v", b, err)
			}
			if names, _ := os.ReadDir(base); len(names) != 1 {
				t.Errorf("beside the root: %v", names)
			}
			if to, err := os.Readlink(filepath.Join(root, "var/log")); err != nil || to != "volatile/log" {
				t.Errorf("the link: %q, %v", to, err)
			}
		})
	}
}

// digested is a source with its digest, as in a plan.
func digested(t *testing.T, s sourcePath) sourcePath {
	t.Helper()
	digest, err := files.Digest(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	s.source = plan.Source{Name: s.name, Path: s.path, Digest: digest}
	return s
}

// What is copied is read, whatever is remembered of it: a digest that is wrong is noticed,
// and forgotten.
func TestCopyRemembered(t *testing.T) {
	src, memory := t.TempDir(), files.Memory{Dir: t.TempDir(), Now: func() time.Time { return time.Now().Add(time.Hour) }}
	content := bytes.Repeat([]byte("content "), 1<<20)
	if err := os.WriteFile(filepath.Join(src, "data"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	digest, _, err := memory.DigestAll(t.Context(), src)
	if err != nil || len(memory.Known(src)) != 1 {
		t.Fatalf("%v remembered, %v", len(memory.Known(src)), err)
	}
	root := t.TempDir()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	c := &copier{own: unchowned{}, root: fd, memory: memory, given: &[2]uint32{uint32(os.Getuid()), uint32(os.Getgid())}}
	from := sourcePath{name: "src", path: src, source: plan.Source{Name: "src", Path: src, Digest: digest}}
	if err := c.add(t.Context(), from, "/a", false); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(root, "a/data")); err != nil || !bytes.Equal(b, content) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	content[0] = 'C'
	if err := os.WriteFile(filepath.Join(src, "data"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.add(t.Context(), from, "/b", false); err == nil || !strings.Contains(err.Error(), "changed while the build was running") {
		t.Errorf("after a change: %v", err)
	}
	if len(memory.Known(src)) != 0 {
		t.Errorf("remembered: %v", memory.Known(src))
	}
}
