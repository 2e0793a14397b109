// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// A tree with more levels than there are descriptors, and with paths longer than
// the kernel accepts, is read like any other.
func TestReadDeepDir(t *testing.T) {
	const levels = 3000
	dir := t.TempDir()
	at, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for range levels {
		if err := unix.Mkdirat(at, "d", 0o755); err != nil {
			t.Fatal(err)
		}
		next, err := unix.Openat(at, "d", unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(at)
		at = next
	}
	fd, err := unix.Openat(at, "f", unix.O_CREAT|unix.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	content := strings.Repeat("x", HoleSize+1) // so that it is searched for holes
	if _, err := unix.Write(fd, []byte(content)); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	unix.Close(at)
	t.Cleanup(func() {
		if err := beneath.RemoveAll(dir + "/d"); err != nil {
			t.Error(err)
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
	src, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	got, err := src.Read(t.Context(), 0, 4)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Entries); n != levels+2 {
		t.Fatalf("%d entries, want %d", n, levels+2)
	}
	last := got.Entries[levels+1]
	buf := make([]byte, len(content))
	if n, err := last.Content.ReadAt(buf, 0); n != len(buf) || string(buf) != content {
		t.Errorf("read %d bytes of %d, %v", n, len(buf), err)
	}
}
