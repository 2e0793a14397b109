// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"

	"golang.org/x/sys/unix"
)

// comparer tells whether a file is the same as in a lower layer in all that a tar stream
// has: type, mode, owner, time in whole seconds, attributes and content.
type comparer struct {
	format Format
	clamp  *int64
	buf    []byte
}

// seconds is the mtime of a file in a layer.
func (c *comparer) seconds(st *unix.Stat_t) int64 {
	sec := int64(st.Mtim.Sec)
	if c.clamp != nil && sec > *c.clamp {
		sec = *c.clamp
	}
	return sec
}

// look compares the results of two stats, except for the times of directories.
func (c *comparer) look(a, b *unix.Stat_t) bool {
	switch {
	case a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid:
		return false
	case a.Mode&unix.S_IFMT == unix.S_IFDIR:
		return true
	case c.seconds(a) != int64(b.Mtim.Sec):
		return false
	}
	switch a.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFLNK:
		return a.Size == b.Size
	case unix.S_IFCHR, unix.S_IFBLK:
		return a.Rdev == b.Rdev
	}
	return true
}

// same compares name in the open directory dir with that in the directory below. Neither
// is a directory.
func (c *comparer) same(dir int, name string, st *unix.Stat_t, below int, lower *unix.Stat_t) (bool, error) {
	if !c.look(st, lower) {
		return false, nil
	}
	if same, err := c.sameXattrs(dir, name, st, below, name, lower); !same || err != nil {
		return false, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		a, err := readlink(dir, name)
		if err != nil {
			return false, err
		}
		b, err := readlink(below, name)
		return a == b, err
	case unix.S_IFREG:
		return c.sameContent(dir, below, name)
	}
	return true, nil
}

func readlink(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	return string(buf[:max(n, 0)]), err
}

// sameXattrs compares extended attributes, as far as a layer has them.
func (c *comparer) sameXattrs(dir int, name string, st *unix.Stat_t, below int, lowerName string, lower *unix.Stat_t) (bool, error) {
	a, _, err := Xattrs(dir, name, st, c.format, c.buf)
	if err != nil {
		return false, err
	}
	b, _, err := Xattrs(below, lowerName, lower, c.format, c.buf)
	return maps.Equal(a, b), err
}

// sameContent compares two regular files of one size.
func (c *comparer) sameContent(dir, below int, name string) (bool, error) {
	a, err := openRegular(dir, name)
	if err != nil {
		return false, err
	}
	defer a.Close()
	b, err := openRegular(below, name)
	if err != nil {
		return false, err
	}
	defer b.Close()
	half := len(c.buf) / 2
	x, y := c.buf[:half], c.buf[half:2*half]
	for {
		n, err := io.ReadFull(a, x)
		m, err2 := io.ReadFull(b, y)
		if !bytes.Equal(x[:n], y[:m]) {
			return false, nil
		}
		for _, e := range []error{err, err2} {
			if e != nil && e != io.EOF && e != io.ErrUnexpectedEOF {
				return false, fmt.Errorf("compare %q with the layer below: %w", name, e)
			}
		}
		if err != nil || err2 != nil {
			return true, nil
		}
	}
}

// openRegular opens a file for reading and, if it may, leaves its access time alone.
func openRegular(dir int, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Openat(dir, name, flags|unix.O_NOATIME, 0)
	if err == unix.EPERM { // O_NOATIME is for the owner only
		fd, err = unix.Openat(dir, name, flags, 0)
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}
