// SPDX-License-Identifier: MPL-2.0

package beneath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// deep makes directories "d/d/d..." below dir, each with a file, and returns
// the path of the last.
func deep(t *testing.T, dir string, levels int) string {
	t.Helper()
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
		fd, err := unix.Openat(at, "f", unix.O_CREAT|unix.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
	}
	unix.Close(at)
	return strings.Repeat("d/", levels-1) + "d"
}

// few lowers the limit of descriptors for the rest of the test.
func few(t *testing.T, n uint64) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &old) })
}

// A tree that is deeper than there are descriptors is walked and removed, also
// one whose paths are longer than the kernel takes.
func TestDeepTree(t *testing.T) {
	const levels = 5000
	dir := t.TempDir()
	path := deep(t, dir, levels)
	if err := os.WriteFile(filepath.Join(dir, "d", ".deep-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	few(t, 64)
	root, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	fd, err := Open(root, path+"/f", unix.O_RDONLY)
	if err != nil {
		t.Fatalf("open the last file: %v", err)
	}
	unix.Close(fd)
	dirs, files := 0, 0
	var walk func(d *Dir)
	walk = func(d *Dir) {
		fd, err := d.FD()
		if err != nil {
			t.Fatal(err)
		}
		names, err := Names(fd)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if n != "d" {
				var st unix.Stat_t
				if fd, err = d.FD(); err == nil {
					err = unix.Fstatat(fd, n, &st, unix.AT_SYMLINK_NOFOLLOW)
				}
				if err != nil {
					t.Fatal(err)
				}
				files++
				continue
			}
			sub, err := d.Enter(n)
			if err != nil {
				t.Fatal(err)
			}
			d.Rest()
			walk(sub)
			sub.Close()
			dirs++
		}
	}
	walk(Root(root))
	if dirs != levels || files != levels+1 {
		t.Errorf("the walk saw %d directories and %d files", dirs, files)
	}
	if err := RemoveAll(filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	if names, err := Names(root); err != nil || len(names) > 0 {
		t.Errorf("%q is left, %v", names, err)
	}
}

// No link is followed, and what has no permissions goes too.
func TestRemoveAll(t *testing.T) {
	dir := t.TempDir()
	outside := filepath.Join(dir, "outside")
	if err := os.MkdirAll(outside+"/kept", 0o755); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(dir, "tree")
	for _, p := range []string{"a/b/c", "shut/in"} {
		if err := os.MkdirAll(filepath.Join(tree, p), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Symlink(outside, tree+"/a/link"), os.WriteFile(tree+"/shut/in/x", nil, 0o600), os.Chmod(tree+"/shut/in", 0), os.Chmod(tree+"/shut", 0)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is not there is no error
		if err := RemoveAll(tree); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(tree); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", tree, err)
	}
	if _, err := os.Lstat(outside + "/kept"); err != nil {
		t.Error(err)
	}
	if err := RemoveAll(filepath.Join(dir, "no", "such")); err != nil {
		t.Error(err)
	}
}

func TestOpenFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/d", 0o755), os.Symlink("d", dir+"/l"), os.WriteFile(dir+"/d/f", nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	for _, rel := range []string{"l/f", "../x", "/etc", "d/../../x"} {
		if fd, err := OpenIn(dir, rel, unix.O_RDONLY); err == nil {
			unix.Close(fd)
			t.Errorf("%s was opened", rel)
		}
	}
	fd, err := OpenIn(dir, "d/f", unix.O_RDONLY)
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
}
