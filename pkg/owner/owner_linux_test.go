// SPDX-License-Identifier: MPL-2.0

package owner

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
)

// opened is a new directory with one file of each kind, opened.
func opened(t *testing.T) (int, string) {
	t.Helper()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, err := range []error{
		os.WriteFile(in("file"), []byte("x"), 0o600), os.Mkdir(in("dir"), 0o700), os.Symlink("none", in("link")), unix.Mkfifo(in("pipe"), 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd, dir
}

func described(t *testing.T, p Policy, dir int, name string) string {
	t.Helper()
	st, err := p.Stat(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%o %d:%d %d.%d", st.Mode, st.Uid, st.Gid, st.Mtim.Sec, st.Mtim.Nsec)
}

// An ordinary account can record any owner, and reads it back whatever the file is called
// then.
func TestRecordedOwners(t *testing.T) {
	dir, path := opened(t)
	r := &Recorded{Table: &record.Table{}}
	times := []unix.Timespec{{Sec: 5}, {Sec: 7, Nsec: 9}}
	for name, mode := range map[string]uint32{"file": unix.S_IFREG | 0o4755, "dir": unix.S_IFDIR | 0o2711, "link": unix.S_IFLNK | 0o777, "pipe": unix.S_IFIFO | 0o640} {
		if err := r.Set(dir, name, Meta{UID: 33, GID: 44, Mode: mode, Times: times}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := fmt.Sprintf("%o 33:44 7.9", mode)
		if got := described(t, r, dir, name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
		if err := os.Rename(filepath.Join(path, name), filepath.Join(path, name+"2")); err != nil {
			t.Fatal(err)
		}
		if got := described(t, r, dir, name+"2"); got != want {
			t.Errorf("%s, renamed: got %s, want %s", name, got, want)
		}
		if err := r.Chown(dir, name+"2", 0, 0); err != nil {
			t.Fatal(err)
		}
		if st, err := r.Stat(dir, name+"2"); err != nil || st.Uid != 0 || st.Gid != 0 {
			t.Errorf("%s, given back: %d:%d, %v", name, st.Uid, st.Gid, err)
		}
	}
	if _, err := unix.Getxattr(filepath.Join(path, "file2"), record.Attr, nil); err != unix.ENODATA {
		t.Errorf("a record that says nothing: %v", err)
	}
}

// A change of owner takes set-id bits away, -1 leaves an id as it is.
func TestRecordedChown(t *testing.T) {
	dir, path := opened(t)
	r := &Recorded{Table: &record.Table{}}
	if err := os.Chmod(filepath.Join(path, "file"), 0o755|os.ModeSetuid|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		uid, gid int
		want     string
	}{{3, 4, "100755 3:4"}, {-1, 5, "100755 3:5"}, {6, -1, "100755 6:5"}} {
		if err := r.Chown(dir, "file", c.uid, c.gid); err != nil {
			t.Fatal(err)
		}
		if got := described(t, r, dir, "file")[:len(c.want)]; got != c.want {
			t.Errorf("%d:%d: got %s, want %s", c.uid, c.gid, got, c.want)
		}
	}
}

// A device node is an empty file, and is shown as a device.
func TestRecordedDevices(t *testing.T) {
	dir, path := opened(t)
	r := &Recorded{Table: &record.Table{}}
	if err := r.Mknod(dir, "console", unix.S_IFCHR|0o620, unix.Mkdev(5, 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.Chown(dir, "console", 0, 5); err != nil {
		t.Fatal(err)
	}
	st, err := r.Stat(dir, "console")
	if err != nil || st.Mode != unix.S_IFCHR|0o620 || st.Rdev != unix.Mkdev(5, 1) || st.Gid != 5 {
		t.Errorf("%o, %d, group %d, %v", st.Mode, st.Rdev, st.Gid, err)
	}
	if real, err := os.Lstat(filepath.Join(path, "console")); err != nil || !real.Mode().IsRegular() || real.Size() != 0 {
		t.Errorf("%v, %v", real, err)
	}
	buf := make([]byte, 100)
	n, err := unix.Getxattr(filepath.Join(path, "console"), record.Attr, buf)
	if got, want := string(buf[:max(n, 0)]), "0:5:0620:char-5-1"; got != want || err != nil {
		t.Errorf("recorded as %q, want %q, %v", got, want, err)
	}
}

// A record that somebody has damaged is an error, never another owner.
func TestRecordsThatCannotBeRead(t *testing.T) {
	dir, path := opened(t)
	r := &Recorded{Table: &record.Table{}}
	for _, s := range []string{"", "1:2", "1:2:0644", "-1:2:0644:file", "1:x:0644:file", "1:2:0999:file", "1:2:0644:door", "1:2:0644:char-5", "1:2:0644:char-5-x", "1:2:0644:file:more", "4294967296:0:0644:file"} {
		if err := unix.Setxattr(filepath.Join(path, "file"), record.Attr, []byte(s), 0); err != nil {
			t.Fatal(err)
		}
		if st, err := r.Stat(dir, "file"); err == nil {
			t.Errorf("%q: %d:%d", s, st.Uid, st.Gid)
		}
	}
}

// What the kernel is asked, it is asked in the order that keeps set-id bits. An ordinary
// account can give files to itself.
func TestKernel(t *testing.T) {
	dir, path := opened(t)
	uid, gid := os.Getuid(), os.Getgid()
	m := Meta{UID: uid, GID: gid, Mode: unix.S_IFREG | 0o4755, Xattrs: map[string][]byte{"user.note": []byte("n")}, Times: []unix.Timespec{{Sec: 5}, {Sec: 7}}}
	if err := (Kernel{}).Set(dir, "file", m); err != nil {
		t.Fatal(err)
	}
	if got, want := described(t, Kernel{}, dir, "file"), fmt.Sprintf("104755 %d:%d 7.0", uid, gid); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if n, err := unix.Getxattr(filepath.Join(path, "file"), "user.note", nil); n != 1 || err != nil {
		t.Error(n, err)
	}
	if err := (Kernel{}).Set(dir, "", Meta{UID: uid, GID: gid, Mode: unix.S_IFDIR | 0o711}); err != nil {
		t.Fatal(err)
	}
	if st, err := (Kernel{}).Stat(dir, ""); err != nil || st.Mode != unix.S_IFDIR|0o711 {
		t.Errorf("the directory itself: %o, %v", st.Mode, err)
	}
	if err := (Kernel{}).Set(dir, "link", Meta{UID: uid, GID: gid, Mode: unix.S_IFLNK, Times: m.Times}); err != nil {
		t.Fatal(err)
	}
	m.Xattrs = map[string][]byte{"nonsense.x": nil}
	if err := (Kernel{}).Set(dir, "file", m); err == nil {
		t.Error("an attribute that there is not was set")
	}
	m.Optional = func(string) bool { return true }
	if err := (Kernel{}).Set(dir, "file", m); err != nil {
		t.Errorf("one that may be left out: %v", err)
	}
}

// Look has what is asked for and no record; the file is named in a directory, or is the open
// one.
func TestLook(t *testing.T) {
	dir, path := opened(t)
	r := &Recorded{Table: &record.Table{}}
	if err := r.Set(dir, "file", Meta{UID: 33, GID: 44, Mode: unix.S_IFREG | 0o640, Xattrs: map[string][]byte{"user.x": []byte("1")}}); err != nil {
		t.Fatal(err)
	}
	file, err := unix.Open(filepath.Join(path, "file"), unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(file)
	for _, c := range []struct {
		p    Policy
		uid  uint32
		want []string // attributes beside those of the host
	}{{r, 33, []string{"user.x"}}, {Kernel{}, uint32(os.Geteuid()), []string{record.Attr, "user.x"}}} {
		for _, at := range []struct {
			dir  int
			name string
		}{{dir, "file"}, {file, ""}, {unix.AT_FDCWD, filepath.Join(path, "file")}} {
			st, attrs, err := c.p.Look(at.dir, at.name)
			delete(attrs, "security.selinux")
			if got := slices.Sorted(maps.Keys(attrs)); err != nil || st.Uid != c.uid || !slices.Equal(got, c.want) || string(attrs["user.x"]) != "1" {
				t.Errorf("%T of %q: %v, uid %d, %q", c.p, at.name, err, st.Uid, attrs)
			}
		}
	}
	if _, attrs, err := r.Look(dir, "link"); err != nil || attrs["user.x"] != nil {
		t.Errorf("of a link: %v, %q", err, attrs)
	}
}

// tableFile is a file of a directory, and a Table.
func tableFile(t *testing.T) (tab *Table, dir int, host string) {
	t.Helper()
	root := t.TempDir()
	host = filepath.Join(root, "f")
	if err := os.WriteFile(host, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(dir) })
	return &Table{}, dir, host
}

// A Table says what was set, whatever the kernel permits, and the account can use the file.
func TestTable(t *testing.T) {
	tab, dir, host := tableFile(t)
	attr := map[string][]byte{"security.capability": []byte("c"), "user.x": []byte("1")}
	if err := tab.Set(dir, "f", Meta{UID: 5, GID: 6, Mode: unix.S_IFREG | 0o4055, Xattrs: attr}); err != nil {
		t.Fatal(err)
	}
	st, xattrs, err := tab.Look(dir, "f")
	if err != nil || st.Uid != 5 || st.Gid != 6 || st.Mode != unix.S_IFREG|0o4055 || len(xattrs) != 2 {
		t.Errorf("%v: %d:%d %o %v", err, st.Uid, st.Gid, st.Mode, xattrs)
	}
	var real unix.Stat_t
	if err := unix.Stat(host, &real); err != nil || real.Mode&0o600 != 0o600 || int(real.Uid) != os.Geteuid() {
		t.Errorf("%v: for the kernel it is %d's, %o", err, real.Uid, real.Mode)
	}
	if err := tab.Chown(dir, "f", 7, -1); err != nil {
		t.Fatal(err)
	}
	st, xattrs, err = tab.Look(dir, "f")
	if err != nil || st.Uid != 7 || st.Gid != 6 || st.Mode != unix.S_IFREG|0o055 || len(xattrs) != 1 {
		t.Errorf("after a change of owner: %v: %d:%d %o %v", err, st.Uid, st.Gid, st.Mode, xattrs)
	}
	delete(xattrs, "user.x")
	if _, again, _ := tab.Look(dir, "f"); len(again) != 1 {
		t.Error("whoever looks can change the table")
	}
	if err := os.Chmod(host, 0o640); err != nil { // without asking
		t.Fatal(err)
	}
	if st, err := tab.Stat(dir, "f"); err != nil || st.Uid != 7 || st.Mode != unix.S_IFREG|0o640 {
		t.Errorf("after a change of mode: %v: %d %o", err, st.Uid, st.Mode)
	}
}

// A file in the place of another has not got what that one had; a rename takes it along.
func TestTableKnowsFiles(t *testing.T) {
	tab, dir, host := tableFile(t)
	if err := tab.Set(dir, "f", Meta{UID: 5, Mode: unix.S_IFREG | 0o600}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(host, host+"2"); err != nil {
		t.Fatal(err)
	}
	if st, err := tab.Stat(dir, "f2"); err != nil || st.Uid != 5 {
		t.Errorf("renamed: %d, %v", st.Uid, err)
	}
	if err := errors.Join(os.Remove(host+"2"), os.WriteFile(host, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if st, err := tab.Stat(dir, "f"); err != nil || st.Uid != 0 || st.Mode != unix.S_IFREG|0o644 {
		t.Errorf("another: %d %o, %v", st.Uid, st.Mode, err)
	}
}

// A device node is an empty file for the kernel; Set and Chown leave it one.
func TestTableDevice(t *testing.T) {
	tab, dir, _ := tableFile(t)
	if err := tab.Mknod(dir, "n", unix.S_IFBLK|0o660, unix.Mkdev(8, 1)); err != nil {
		t.Fatal(err)
	}
	if err := tab.Set(dir, "n", Meta{UID: 3, Mode: unix.S_IFBLK | 0o400}); err != nil {
		t.Fatal(err)
	}
	if st, err := tab.Stat(dir, "n"); err != nil || st.Mode != unix.S_IFBLK|0o400 || st.Rdev != unix.Mkdev(8, 1) || st.Uid != 3 {
		t.Errorf("%v: %o %d %d", err, st.Mode, st.Rdev, st.Uid)
	}
}

// Own keeps a file usable, and forgets what an account cannot set.
func TestOwn(t *testing.T) {
	_, dir, host := tableFile(t)
	err := Own{}.Set(dir, "f", Meta{UID: 9, Mode: unix.S_IFREG | 0o6111, Xattrs: map[string][]byte{"security.capability": []byte("c")}})
	if err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(host, &st); err != nil || st.Mode != unix.S_IFREG|0o711 || int(st.Uid) != os.Geteuid() {
		t.Errorf("%v: %d %o", err, st.Uid, st.Mode)
	}
}
