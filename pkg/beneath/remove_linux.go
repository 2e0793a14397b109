// SPDX-License-Identifier: MPL-2.0

package beneath

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// RemoveAll removes a file or a directory with all that is below it, also
// where directories lack permissions for their owner. What does not exist is
// no error.
func RemoveAll(path string) error {
	path = filepath.Clean(path)
	dir, err := unix.Open(filepath.Dir(path), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Dir(path), Err: err}
	}
	defer unix.Close(dir)
	if err := RemoveAt(dir, filepath.Base(path)); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// RemoveAt is RemoveAll of a name in an open directory.
func RemoveAt(dir int, name string) error {
	done, err := unlink(dir, name)
	if done || err != nil {
		return err
	}
	r := &remover{}
	fd, err := r.open(dir, name)
	if err != nil {
		return err
	}
	r.top = fd
	for again := true; again && err == nil; { // what was too deep is not any more
		before := r.moved
		err = r.empty(fd, 0)
		again = r.moved > before
	}
	unix.Close(fd)
	if err != nil {
		return err
	}
	return ignoreMissing(unix.Unlinkat(dir, name, unix.AT_REMOVEDIR))
}

// remover empties a directory. A directory that is far down is moved to the top
// first, so that no more than maxEmptied are open at a time.
type remover struct {
	top   int
	moved int // directories that were moved to the top
	tried int // names for them
}

// maxEmptied is how many levels are emptied at a time, with two descriptors each:
// several trees may be removed at the same time.
const maxEmptied = maxOpen / 4

// unlink removes what is not a directory, or an empty one; done is false for a
// directory that is not empty.
func unlink(dir int, name string) (done bool, err error) {
	err = unix.Unlinkat(dir, name, 0)
	if err == unix.EISDIR || err == unix.EPERM {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	switch err {
	case nil, unix.ENOENT:
		return true, nil
	case unix.ENOTEMPTY, unix.EEXIST, unix.EACCES:
		return false, nil
	}
	return false, err
}

// open opens a directory to be emptied, after giving its owner all permissions
// where they are missing.
func (r *remover) open(dir int, name string) (int, error) {
	flags := unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(dir, name, flags, 0)
	if err == unix.EACCES {
		if err = unix.Fchmodat(dir, name, 0o700, 0); err == nil {
			fd, err = unix.Openat(dir, name, flags, 0)
		}
	}
	if err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Mode&0o700 != 0o700 {
		_ = unix.Fchmod(fd, st.Mode&0o7777|0o700) // what it cannot do is found below
	}
	return fd, nil
}

func (r *remover) empty(fd, depth int) error {
	f, err := dup(fd)
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		// Not all at once: there may be millions, and depth of them.
		names, err := f.Readdirnames(1024)
		for _, n := range names {
			if err := r.remove(fd, n, depth); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *remover) remove(fd int, name string, depth int) error {
	done, err := unlink(fd, name)
	if done || err != nil {
		return err
	}
	if depth >= maxEmptied {
		sub, err := r.open(fd, name) // for the permission to write
		if err != nil {
			return err
		}
		unix.Close(sub)
		return r.lift(fd, name)
	}
	sub, err := r.open(fd, name)
	if err != nil {
		return err
	}
	err = r.empty(sub, depth+1)
	unix.Close(sub)
	if err != nil {
		return err
	}
	return ignoreMissing(unix.Unlinkat(fd, name, unix.AT_REMOVEDIR))
}

// lift moves a directory to the top, under a name that nothing has there.
func (r *remover) lift(fd int, name string) error {
	for {
		r.tried++
		err := unix.Renameat2(fd, name, r.top, fmt.Sprintf(".deep-%d", r.tried), unix.RENAME_NOREPLACE)
		if err == nil {
			r.moved++
		}
		if err != unix.EEXIST {
			return err
		}
	}
}

func dup(fd int) (*os.File, error) {
	d, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(d), "."), nil
}

func ignoreMissing(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}

// RemoveDeep removes what is so far below a directory that removers which keep
// each level open could run out of descriptors. What is left is of no use but
// to be removed. before is called first if there is anything to remove. No such
// directory is not an error.
func RemoveDeep(path string, before func() error) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	if err := removeDeep(fd, 0, sync.OnceValue(before)); err != nil {
		return fmt.Errorf("remove what is deep in %s: %w", path, err)
	}
	return nil
}

func removeDeep(fd, depth int, before func() error) error {
	f, err := dup(fd)
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	if e := f.Close(); err == nil {
		err = e
	}
	for _, e := range entries {
		if err != nil || !e.IsDir() {
			continue
		}
		if depth >= maxEmptied {
			if err = before(); err == nil {
				err = RemoveAt(fd, e.Name())
			}
			continue
		}
		var sub int
		if sub, err = unix.Openat(fd, e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
			err = removeDeep(sub, depth+1, before)
			unix.Close(sub)
		}
	}
	return err
}
