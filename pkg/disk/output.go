// SPDX-License-Identifier: MPL-2.0

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
	"syscall"

	"github.com/carosio/carosbuild/pkg/freshfile"
)

// tempPrefix begins the name of every unfinished output.
const tempPrefix = ".carosbuild-"

// unfinished is a file that does not have its final name yet.
type unfinished struct {
	*os.File
	path  string
	temp  string
	named bool // it has the name temp
}

// newFile begins a file in the directory of path, whose links are resolved.
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

// finish syncs the data and gives the file a name, so that only the renaming is
// left.
func (u *unfinished) finish() error {
	if err := u.Sync(); err != nil || u.named {
		return err
	}
	err := link(u.File, u.temp)
	u.named = err == nil
	return err
}

// commit replaces the file at path.
func (u *unfinished) commit() error {
	err := renameOpen(u.File, u.temp, u.path)
	if err == nil {
		u.named = false
		err = syncDir(filepath.Dir(u.path))
	}
	return err
}

// close closes the file; if it was not committed, it is removed.
func (u *unfinished) close() error {
	err := u.File.Close()
	if errors.Is(err, os.ErrClosed) { // by commit, if an open file cannot be renamed
		err = nil
	}
	if u.named {
		err = errors.Join(err, ignoreMissing(os.Remove(u.temp)))
	}
	return err
}

// createNamed opens the new file temp. The lock tells sweep that it is in use, also
// in a container where our pid belongs to another process.
func createNamed(temp string) (*os.File, error) {
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(temp))
	}
	return f, nil
}

func lock(f *os.File) error {
	switch mine, err := freshfile.TryLock(f, freshfile.LockExclusive); {
	case err != nil:
		return fmt.Errorf("lock output: %w", err)
	case !mine:
		return errors.New("lock output: another process has locked it")
	}
	return nil
}

// sweep removes unfinished outputs that are not in use. Its errors are ignored,
// since nothing depends on it.
func sweep(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		name := e.Name()
		if _, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:]); err == nil && strings.HasPrefix(name, tempPrefix) {
			removeLeft(filepath.Join(dir, name))
		}
	}
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncDir(dir string) error {
	// Some file systems cannot sync a directory, and return EINVAL.
	err := freshfile.SyncDir(dir)
	if errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// explain says which file an error is about and, if the file system is full, how
// much space is left.
func explain(path string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		if st, e := statfs(filepath.Dir(path)); e == nil {
			return fmt.Errorf("write %s: the file system of %s is full (%d MiB free now that the unfinished file is gone); what was there before is unchanged: %w", path, filepath.Dir(path), int64(st.free)*st.block>>20, err)
		}
	}
	return fmt.Errorf("write %s: %w", path, err)
}
