// SPDX-License-Identifier: MPL-2.0

package unpack

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// rootDir is a directory that is treated as the root of a file system: the kernel
// resolves every name below it, including symbolic links (openat2 with
// RESOLVE_IN_ROOT, Linux 5.6).
type rootDir struct{ file *os.File }

func openRoot(name string) (rootDir, error) {
	f, err := os.Open(name)
	if err != nil {
		return rootDir{}, err
	}
	if info, err := f.Stat(); err != nil || !info.IsDir() {
		return rootDir{}, errors.Join(fmt.Errorf("%s is not a directory", name), err, f.Close())
	}
	return rootDir{f}, nil
}

func (r rootDir) close() error { return r.file.Close() }

// open opens a path below the root.
func (r rootDir) open(name string, flags int, mode uint32) (int, error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Mode:    uint64(mode),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(int(r.file.Fd()), name, &how)
		if err == unix.EINTR || err == unix.EAGAIN { // EAGAIN: a rename elsewhere raced with ".."
			continue
		}
		if err != nil {
			return -1, &os.PathError{Op: "openat2", Path: name, Err: err}
		}
		return fd, nil
	}
}

// openDir opens a directory as the parent of names; it and its parents are made if
// they do not exist.
func (r rootDir) openDir(name string) (int, error) {
	fd, err := r.open(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err == nil || !errors.Is(err, unix.ENOENT) || name == "." {
		return fd, err
	}
	parent, err := r.openDir(path.Dir(name))
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.Base(name), 0o755); err != nil && err != unix.EEXIST {
		return -1, &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return r.open(name, unix.O_PATH|unix.O_DIRECTORY, 0)
}

// meta is the metadata of a file besides its name.
type meta struct {
	mode     uint32 // permission, setuid, setgid and sticky bits
	uid, gid int
	mtime    int64
}

// cleanName turns the name of a tar member into a path below the root: "." for the
// root itself. Absolute names and names that leave the root are refused.
func cleanName(name string) (string, error) {
	if path.IsAbs(name) || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("member %q: absolute or malformed name", name)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("member %q: name climbs out of the root", name)
		}
		if len(part) > unix.NAME_MAX {
			return "", fmt.Errorf("member %q: name is too long", name)
		}
	}
	return path.Clean(name), nil
}

// dirCache keeps the parent of the last name open: the members of an archive are
// sorted by directory.
type dirCache struct {
	root rootDir
	name string
	fd   int
}

func newDirCache(root rootDir) *dirCache { return &dirCache{root: root, fd: -1} }

func (c *dirCache) parent(name string) (fd int, base string, err error) {
	dir := path.Dir(name)
	if c.fd < 0 || c.name != dir {
		c.close()
		if c.fd, err = c.root.openDir(dir); err != nil {
			return -1, "", err
		}
		c.name = dir
	}
	return c.fd, path.Base(name), nil
}

func (c *dirCache) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
		c.fd = -1
	}
}
