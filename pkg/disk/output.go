// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package disk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// tempPrefix begins the name of every unfinished output.
const tempPrefix = ".carosbuild-"

// WriteFile makes the file path, or replaces it, with what write puts into a
// new file beside it. Data and name are on disk when it returns; after an error
// or a kill, path is what it was. Where the file system can, the new file has
// no name until it is complete; leftovers of killed runs on others are removed
// by the next one. A symbolic link at path is followed.
func WriteFile(path string, write func(*os.File) error) error {
	path, err := regular(path)
	if err != nil {
		return err
	}
	f, err := newFile(path)
	if err != nil {
		return explain(path, err)
	}
	err = write(f.File)
	if err == nil {
		err = f.finish()
	}
	if err == nil {
		err = f.commit()
	}
	return explain(path, errors.Join(err, f.close()))
}

// unfinished is a file on its way to a name.
type unfinished struct {
	*os.File
	path  string
	temp  string
	named bool // it is called temp
}

// newFile begins a file beside path, which is resolved.
func newFile(path string) (*unfinished, error) {
	dir := filepath.Dir(path)
	sweep(dir)
	temp := filepath.Join(dir, tempPrefix+filepath.Base(path)+"-"+strconv.Itoa(os.Getpid()))
	if len(filepath.Base(temp)) > 255 {
		temp = filepath.Join(dir, fmt.Sprintf("%s%x-%d", tempPrefix, sha256.Sum256([]byte(path)), os.Getpid()))
	}
	f, named, err := create(dir, temp)
	if err != nil {
		return nil, err
	}
	return &unfinished{File: f, path: path, temp: temp, named: named}, nil
}

// finish brings the data to the disk and gives the file a name, so that only
// the renaming is left.
func (u *unfinished) finish() error {
	if err := u.Sync(); err != nil || u.named {
		return err
	}
	err := link(u.File, u.temp)
	u.named = err == nil
	return err
}

// commit replaces what is at path.
func (u *unfinished) commit() error {
	err := os.Rename(u.temp, u.path)
	if err == nil {
		u.named = false
		err = syncDir(filepath.Dir(u.path))
	}
	return err
}

// close closes the file; if it was not committed, it is gone.
func (u *unfinished) close() error {
	var err error
	if u.named {
		err = ignoreMissing(os.Remove(u.temp))
	}
	return errors.Join(err, u.File.Close())
}

// create opens a file in dir, without a name where that works.
func create(dir, temp string) (f *os.File, named bool, err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if err == nil {
		return os.NewFile(uintptr(fd), temp), false, nil
	}
	f, err = os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, false, err
	}
	// The lock tells sweep that the file is in use, also from a container
	// where our pid means somebody else.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, false, errors.Join(err, f.Close(), os.Remove(temp))
	}
	return f, true, nil
}

// link gives a nameless file the name temp.
func link(f *os.File, temp string) error {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("lock output: %w", err)
	}
	proc := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, proc, unix.AT_FDCWD, temp, unix.AT_SYMLINK_FOLLOW); err != nil {
		return fmt.Errorf("link output as %s: %w", temp, err)
	}
	return nil
}

// sweep removes unfinished outputs that nobody holds. It is a courtesy: what it
// cannot do, it leaves.
func sweep(dir string) {
	names, _ := filepath.Glob(filepath.Join(escapeGlob(dir), tempPrefix+"*"))
	for _, name := range names {
		if _, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:]); err != nil {
			continue
		}
		f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		if err != nil {
			continue
		}
		st, err := f.Stat()
		if err == nil && st.Mode().IsRegular() && unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			_ = os.Remove(name)
		}
		_ = f.Close()
	}
}

func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	// Some file systems cannot sync a directory, and say so with EINVAL.
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// explain says which file an error is about, and how much space is left when
// that is what lacks.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		var st unix.Statfs_t
		if unix.Statfs(filepath.Dir(path), &st) == nil {
			free := int64(st.Bavail) * st.Bsize
			return fmt.Errorf("write %s: the file system of %s is full (%d MiB free now that the unfinished file is gone); what was there before is unchanged: %w", path, filepath.Dir(path), free>>20, err)
		}
	}
	return fmt.Errorf("write %s: %w", path, err)
}
