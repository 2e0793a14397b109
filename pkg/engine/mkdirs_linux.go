// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"errors"
	"io/fs"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// mkdirAll makes the missing directories of name, 0755 and the superuser's, and opens
// the last. Links are followed inside the root; a missing target is made.
func (c *copier) mkdirAll(name string) (int, error) {
	fd, err := openIn(c.root, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == unix.ENOENT {
		var real string
		if real, err = c.makeDirs(name); err == nil {
			fd, err = openIn(c.root, real, unix.O_RDONLY|unix.O_DIRECTORY)
		}
	}
	if err == unix.ELOOP {
		err = errors.New("symbolic links form a loop")
	}
	if err != nil {
		return -1, &fs.PathError{Op: "make directory", Path: name, Err: err}
	}
	return fd, nil
}

// makeDirs makes the missing directories of name, and returns its path without links.
func (c *copier) makeDirs(name string) (string, error) {
	at, rest, links := "/", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." || part == ".." {
			at = path.Join(at, part)
			continue
		}
		link, err := c.makeDir(at, part)
		if err != nil {
			return "", err
		}
		if link == "" {
			at = path.Join(at, part)
			continue
		}
		if links++; links > 40 { // the kernel's limit
			return "", unix.ELOOP
		}
		if path.IsAbs(link) {
			at = "/"
		}
		rest = append(strings.Split(link, "/"), rest...)
	}
	return at, nil
}

// makeDir makes one directory. If there is a symbolic link, it returns the target
// instead.
func (c *copier) makeDir(at, name string) (link string, err error) {
	dir, err := openIn(c.root, at, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return "", err
	}
	defer unix.Close(dir)
	if err := unix.Mkdirat(dir, name, 0o755); err == nil {
		return "", unix.Fchmodat(dir, name, 0o755, 0)
	} else if err != unix.EEXIST {
		return "", err
	}
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err == unix.EINVAL { // a directory, or something that the next step refuses
		return "", nil
	}
	return string(buf[:max(n, 0)]), err
}
