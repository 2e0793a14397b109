// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/beneath"
	"golang.org/x/sys/unix"
)

// transfer copies a file, or a directory with its contents: types, contents, modes, owners,
// times and links. Sockets and devices are left out.
type transfer struct {
	link  bool // makes hard links instead of copies where possible
	merge bool // copies into an existing directory; a file that differs is replaced
	made  map[inode]string
	top   int // destination
}

type inode struct{ dev, ino uint64 }

// copyTree copies from, a file or a directory, to a name that does not exist.
func copyTree(from, to string, link bool) error {
	return (&transfer{link: link}).run(from, to)
}

// mergeTree merges from, a file or a directory, into an existing one.
func mergeTree(from, to string) error {
	return (&transfer{link: true, merge: true}).run(from, to)
}

// replaceTree replaces to by a copy of from.
func replaceTree(from, to string) error {
	fresh := to + ".carosbuild-fresh"
	err := beneath.RemoveAll(fresh)
	if err == nil {
		err = copyTree(from, fresh, false)
	}
	if err == nil {
		err = exchange(fresh, to)
	}
	return errors.Join(err, beneath.RemoveAll(fresh))
}

func (t *transfer) run(from, to string) error {
	t.made = map[inode]string{}
	src, err := unix.Open(filepath.Dir(from), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(src)
	if t.top, err = unix.Open(filepath.Dir(to), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return err
	}
	defer unix.Close(t.top)
	if err := t.entry(beneath.Root(src), filepath.Base(from), beneath.Root(t.top), filepath.Base(to)); err != nil {
		return fmt.Errorf("copy %s to %s: %w", from, to, err)
	}
	return nil
}

// entry copies one entry of a directory.
func (t *transfer) entry(from *beneath.Dir, name string, to *beneath.Dir, as string) error {
	src, err := from.FD()
	if err != nil {
		return err
	}
	dst, err := to.FD()
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(src, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return t.directory(from, name, to, as, &st)
	case unix.S_IFREG:
		return t.file(src, name, dst, as, to.Join(as), &st)
	case unix.S_IFLNK:
		return t.symlink(src, name, dst, as, &st)
	}
	return nil
}

func (t *transfer) directory(from *beneath.Dir, name string, to *beneath.Dir, as string, st *unix.Stat_t) error {
	dst, err := to.FD()
	if err != nil {
		return err
	}
	err = unix.Mkdirat(dst, as, 0o700)
	there := err == unix.EEXIST && t.merge
	if err != nil && !there {
		return err
	}
	sub, err := from.Enter(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	out, err := to.Enter(as)
	if err != nil {
		return err
	}
	defer out.Close()
	from.Rest()
	to.Rest()
	fd, err := sub.FD()
	if err != nil {
		return err
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := t.entry(sub, n, out, n); err != nil {
			return err
		}
	}
	if there {
		return nil
	}
	if dst, err = to.FD(); err != nil {
		return err
	}
	return attributes(dst, as, st)
}

// attributes gives a new file or directory the attributes of the original.
func attributes(dir int, name string, st *unix.Stat_t) error {
	if err := unix.Fchownat(dir, name, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(dir, name, st.Mode&0o7777, 0); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(dir, name, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

// file copies or links a file to a temporary name, and renames it once it is complete.
func (t *transfer) file(src int, name string, dst int, as, path string, st *unix.Stat_t) error {
	var now unix.Stat_t
	if unix.Fstatat(dst, as, &now, unix.AT_SYMLINK_NOFOLLOW) == nil && same(&now, st) {
		return nil
	}
	fresh := as
	if t.merge {
		fresh = ".carosbuild-fresh"
		if err := unix.Unlinkat(dst, fresh, 0); err != nil && err != unix.ENOENT {
			return err
		}
	}
	if err := t.content(src, name, dst, fresh, path, st); err != nil || fresh == as {
		return err
	}
	return unix.Renameat(dst, fresh, dst, as)
}

// same reports whether two files are the same inode, or have the same size and time.
func same(a, b *unix.Stat_t) bool {
	return a.Dev == b.Dev && a.Ino == b.Ino || a.Mode == b.Mode && a.Size == b.Size && a.Mtim == b.Mtim
}

func (t *transfer) content(src int, name string, dst int, as, path string, st *unix.Stat_t) error {
	if t.link {
		err := unix.Linkat(src, name, dst, as, 0)
		if err != unix.EXDEV && err != unix.EMLINK && err != unix.EPERM {
			return err
		}
	}
	id := inode{uint64(st.Dev), st.Ino}
	if first, ok := t.made[id]; ok && unix.Linkat(t.top, first, dst, as, 0) == nil {
		return nil
	}
	in, err := openFile(src, name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openFile(dst, as, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) != nil { // a file system that shares blocks, or not
		_, err = io.Copy(out, in)
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if st.Nlink > 1 && !t.merge {
		t.made[id] = path
	}
	return attributes(dst, as, st)
}

func openFile(dir int, name string, flags int, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

// maxLink is the longest target of a symbolic link in Linux.
const maxLink = 4096

func (t *transfer) symlink(src int, name string, dst int, as string, st *unix.Stat_t) error {
	buf := make([]byte, maxLink)
	n, err := unix.Readlinkat(src, name, buf)
	if err != nil {
		return err
	}
	err = unix.Symlinkat(string(buf[:n]), dst, as)
	if err == unix.EEXIST && t.merge {
		return nil
	}
	if err != nil {
		return err
	}
	return attributes(dst, as, st)
}
