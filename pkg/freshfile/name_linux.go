// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// nameless makes a locked file that has no name yet, where the file system can and
// /proc is there to name it by. Its Name is what a second name of it begins with.
func nameless(dir, prefix string) (*os.File, bool) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, false
	}
	f := os.NewFile(uintptr(fd), filepath.Join(dir, prefix))
	var st unix.Stat_t
	if held, err := TryLock(f, LockExclusive); err != nil || !held || unix.Stat(procName(f), &st) != nil {
		f.Close()
		return nil, false
	}
	return f, true
}

func procName(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// hasName reports whether a file has a name.
func hasName(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) != nil || st.Nlink > 0
}

// giveName gives a file its name, in place of another file.
func giveName(f *os.File, path string) error {
	if hasName(f) {
		return os.Rename(f.Name(), path)
	}
	err := link(f, path)
	for errors.Is(err, unix.EEXIST) { // a link does not replace, a rename does
		second := fmt.Sprint(f.Name(), rand.Uint64())
		if err = link(f, second); err == nil {
			if err = os.Rename(second, path); err != nil {
				return errors.Join(err, os.Remove(second))
			}
		}
	}
	if err == nil {
		return nil
	}
	return copyTo(f, path)
}

func link(f *os.File, path string) error {
	return unix.Linkat(unix.AT_FDCWD, procName(f), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
}

// copyTo is giveName where something forbids links, such as a security module or a file
// system of FUSE.
func copyTo(f *os.File, path string) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	to, err := CreateNamed(filepath.Dir(path), filepath.Base(f.Name()))
	if err != nil {
		return err
	}
	_, err = io.Copy(to, io.NewSectionReader(f, 0, math.MaxInt64))
	if err = errors.Join(err, to.Chmod(st.Mode().Perm()), to.Sync()); err == nil {
		err = os.Rename(to.Name(), path)
	}
	if err != nil {
		return errors.Join(err, Discard(to))
	}
	return to.Close()
}

func dropName(f *os.File) error {
	if !hasName(f) {
		return nil
	}
	return os.Remove(f.Name())
}
