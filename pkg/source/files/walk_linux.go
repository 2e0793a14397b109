// SPDX-License-Identifier: MPL-2.0

package files

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/beneath"
	"golang.org/x/sys/unix"
)

// Check refuses files in which the kernel describes this machine or this very
// process, such as its environment.
func Check(path string) error {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return err
	}
	return checkType(&st, path)
}

// checkOpen is Check for an open file.
func checkOpen(fd int, path string) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return err
	}
	return checkType(&st, path)
}

func checkType(st *unix.Statfs_t, path string) error {
	switch uint32(st.Type) {
	case unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.DEVPTS_SUPER_MAGIC, unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.SECURITYFS_MAGIC,
		unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.BPF_FS_MAGIC, unix.EFIVARFS_MAGIC:
		return fmt.Errorf("%s is what the kernel tells about this machine and its processes, not a file for a stage", path)
	}
	return nil
}

// Walk calls f for path and everything below it in byte order; rel is "." for path
// itself. A link at path itself is followed, links below it are not. full names the
// file during the call, whatever its depth and whatever happens to the directories
// above it: another user may be able to write to them. Errors contain the name that
// is found from path.
func Walk(path string, f func(rel, full string, st fs.FileInfo) error) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !st.IsDir() {
		return walkFile(path, f)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	full := fmt.Sprintf("/proc/self/fd/%d/.", fd)
	if st, err = os.Stat(full); err == nil {
		err = f(".", full, st)
	}
	if err != nil {
		return Renamed(err, full, path)
	}
	return walkBelow(beneath.Root(fd), path, f)
}

// walkFile is Walk for a source that is not a directory. If the source is an open
// file, by its name in /proc, that file is used.
func walkFile(path string, f func(rel, full string, st fs.FileInfo) error) error {
	full := path
	if !isOpen(path) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return err
		}
		dir, err := unix.Open(filepath.Dir(real), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return &fs.PathError{Op: "open", Path: path, Err: err}
		}
		defer unix.Close(dir)
		full = fmt.Sprintf("/proc/self/fd/%d/%s", dir, filepath.Base(real))
	}
	look := os.Lstat
	if full == path {
		look = os.Stat
	}
	st, err := look(full)
	if err == nil {
		err = f(".", full, st)
	}
	return Renamed(err, full, path)
}

// Open opens a regular file that Walk has named, and refuses anything that has
// replaced it: a link, a pipe, or a file that describes this machine.
func Open(full string) (*os.File, error) {
	fd, err := openRegular(full)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), full), nil
}

// openRegular is Open, and returns a descriptor.
func openRegular(full string) (int, error) {
	noFollow := unix.O_NOFOLLOW
	if isOpen(full) {
		noFollow = 0
	}
	fd, err := unix.Open(full, unix.O_RDONLY|noFollow|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: full, Err: err}
	}
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = &fs.PathError{Op: "add", Path: full, Err: errors.New("is no longer a file")}
	}
	if err == nil {
		err = checkOpen(fd, full)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// isOpen recognises the name in /proc of a file that this process has open. It is a
// link to exactly that file.
func isOpen(full string) bool {
	fd, ok := strings.CutPrefix(full, "/proc/self/fd/")
	return ok && !strings.Contains(fd, "/")
}

// content opens a file that Walk has named. The function it returns reads and closes the
// file, and returns its SHA-256, 32 bytes; it may be called in another goroutine, and is
// called once. It uses system calls directly: for many small files the overhead of os.File
// would take most of the time.
func content(full string) (func() (string, error), error) {
	fd, err := openRegular(full)
	if err != nil {
		return nil, err
	}
	return func() (string, error) {
		defer unix.Close(fd)
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		h := sha256.New()
		for {
			n, err := unix.Read(fd, *buf)
			switch {
			case err == unix.EINTR:
			case err != nil:
				return "", &fs.PathError{Op: "read", Path: full, Err: err}
			case n == 0:
				return string(h.Sum(nil)), nil
			default:
				h.Write((*buf)[:n])
			}
		}
	}, nil
}

func walkBelow(dir *beneath.Dir, top string, f func(rel, full string, st fs.FileInfo) error) error {
	fd, err := dir.FD()
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Join(top, dir.Path()), Err: err}
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return &fs.PathError{Op: "list", Path: filepath.Join(top, dir.Path()), Err: err}
	}
	for _, name := range names {
		rel := dir.Join(name)
		if fd, err = dir.FD(); err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(top, dir.Path()), Err: err}
		}
		full := fmt.Sprintf("/proc/self/fd/%d/%s", fd, name)
		st, err := os.Lstat(full)
		if err == nil {
			err = f(rel, full, st)
		}
		if err != nil {
			return Renamed(err, full, filepath.Join(top, rel))
		}
		if !st.IsDir() {
			continue
		}
		sub, err := dir.Enter(name)
		if err != nil {
			return &fs.PathError{Op: "open", Path: filepath.Join(top, rel), Err: err}
		}
		dir.Rest()
		err = walkBelow(sub, top, f)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
