// SPDX-License-Identifier: MPL-2.0

// Package freshfile makes files that appear whole or not at all. A file that is
// being written has no name until it is whole, where the file system can do that,
// and otherwise another one. It is locked until then, so that whoever comes after a
// process that was killed knows what to remove.
package freshfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Create makes a file for a directory and locks it. Finish, Rename or Place give it its
// name. Where the file system has no files without a name, it has one that begins
// with prefix, and Sweep removes it once its process is gone.
func Create(dir, prefix string) (*os.File, error) {
	if f, ok := nameless(dir, prefix); ok {
		return f, nil
	}
	return CreateNamed(dir, prefix)
}

// CreateNamed is Create for a file that has a name from the beginning.
func CreateNamed(dir, prefix string) (*os.File, error) {
	for {
		f, err := os.CreateTemp(dir, prefix+"*")
		if err != nil {
			return nil, err
		}
		mine, err := lockFresh(f)
		if err != nil || mine {
			return f, err
		}
		f.Close() // somebody took it for left behind, in between
	}
}

// lockFresh locks an open file if nobody else has, and reports whether it still
// has its name.
func lockFresh(f *os.File) (bool, error) {
	if held, err := TryLock(f, LockExclusive); err != nil || !held {
		return false, err
	}
	named, err := os.Lstat(f.Name())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	st, err := f.Stat()
	return err == nil && os.SameFile(st, named), err
}

// Finish gives a file from Create its name, once it is on the disk, or
// removes it after an error. It is locked until then.
func Finish(f *os.File, path string, mode fs.FileMode, err error) error {
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := settle(f, path, err); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Place gives a file from Create its name and leaves it open and locked.
func Place(f *os.File, path string) error { return giveName(f, path) }

// Discard removes a file from Create that is not to get a name.
func Discard(f *os.File) error { return errors.Join(dropName(f), f.Close()) }

// Sweep removes the files in a directory that nobody is writing any more. It
// is a courtesy: what it cannot do, it leaves.
func Sweep(dir, prefix string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || number == "" || strings.Trim(number, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		removeLeft(filepath.Join(dir, e.Name()))
	}
}

// Lock locks a file that is removed with the lock.
func Lock(path string) (unlock func() error, err error) {
	for {
		f, err := Flock(path, LockExclusive)
		if err != nil {
			return nil, err
		}
		// Whoever had it before has removed it: then this is another one than
		// the next will lock.
		named, err := os.Lstat(path)
		if err == nil {
			st, err := f.Stat()
			if err == nil && os.SameFile(st, named) {
				return func() error { return removeLocked(f, path) }, nil
			}
		}
		f.Close()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
}
