// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// A directory with more levels than there are descriptors is copied whole, including
// hard links at its end, and has a digest.
func TestCopyDeepDirectory(t *testing.T) {
	const levels = 1100 // their path exceeds the kernel's limit
	src, dst := filepath.Join(t.TempDir(), "src"), t.TempDir()
	at, err := unix.Open(filepath.Dir(src), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range levels + 1 {
		name := "dir"
		if i == 0 {
			name = "src"
		}
		if err := unix.Mkdirat(at, name, 0o750); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(at)
		at = next
	}
	fd, err := unix.Openat(at, "one", unix.O_CREAT|unix.O_WRONLY, 0o640)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	if err := unix.Linkat(at, "one", at, "two", 0); err != nil {
		t.Fatal(err)
	}
	unix.Close(at)
	t.Cleanup(func() {
		for _, d := range []string{src, dst} {
			if err := beneath.RemoveAll(d); err != nil {
				t.Error(err)
			}
		}
	})
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) }()
	root, err := unix.Open(dst, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	c := &copier{own: unchowned{}, from: owner.Kernel{}, root: root, keep: true}
	err = files.Walk(src, func(rel, full string, st fs.FileInfo) error { return c.one(full, path.Join("/to", rel), st) })
	if err != nil {
		t.Fatal(err)
	}
	var one, two unix.Stat_t
	for name, st := range map[string]*unix.Stat_t{"one": &one, "two": &two} {
		fd, err := beneath.Open(root, "to/"+strings.Repeat("dir/", levels)+name, unix.O_RDONLY)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Fstat(fd, st); err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
	if one.Ino != two.Ino || one.Mode != unix.S_IFREG|0o640 {
		t.Errorf("copied as inodes %d and %d, mode %o", one.Ino, two.Ino, one.Mode)
	}
	if _, err := files.Digest(t.Context(), src); err != nil {
		t.Error(err)
	}
}

// An error about a file in a directory names the file by its path.
func TestWalkSourceNamesFiles(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "p"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := files.Digest(t.Context(), dir)
	if err == nil || !strings.Contains(err.Error(), dir+"/p") {
		t.Errorf("error %v, want one about %s/p", err, dir)
	}
}
