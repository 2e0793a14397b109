// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/owner"
)

// Flatten copies merged layers, given top first, into the empty directory dst, with
// contents, hard links, holes and all metadata.
func Flatten(ctx context.Context, lowers []string, format Format, dst string) error {
	fd, err := unix.Open(dst, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", dst, err)
	}
	defer unix.Close(fd)
	root := visibleRoot(lowers, format)
	defer root.rest()
	if root.empty() {
		return nil
	}
	f := &flattener{format: format, alive: ctx.Err, top: fd, links: map[inode]string{}, content: contentCopier{buf: make([]byte, 256<<10)}, buf: make([]byte, 64<<10)}
	return f.dir(root, beneath.Root(fd))
}

// flattener copies a tree.
type flattener struct {
	format  Format
	alive   func() error // its error ends the copy
	top     int          // the root of the copy
	links   map[inode]string
	content contentCopier
	buf     []byte
}

// dir copies the contents of a directory, then its metadata.
func (f *flattener) dir(from *visible, to *beneath.Dir) error {
	if err := f.alive(); err != nil {
		return err
	}
	names, err := from.names()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if err := f.entry(from, to, name, names[name]); err != nil {
			return fmt.Errorf("copy %s: %w", shown(to.Join(name)), err)
		}
	}
	src, st, err := from.stat()
	if err != nil {
		return err
	}
	fd, err := to.FD()
	if err != nil {
		return err
	}
	return copyMeta(src, ".", fd, ".", &st, f.format, f.buf)
}

func (f *flattener) entry(from *visible, to *beneath.Dir, name string, found found) error {
	dst, err := to.FD()
	if err == nil {
		err = from.open()
	}
	if err != nil {
		return err
	}
	if found.st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return f.file(from.fds[found.layer], dst, name, to.Join(name), &found.st)
	}
	below, err := from.enter(name)
	if err != nil {
		return err
	}
	defer below.rest()
	if err := unix.Mkdirat(dst, name, 0o700); err != nil {
		return err
	}
	sub, err := to.Enter(name)
	if err != nil {
		return err
	}
	defer sub.Close()
	from.rest()
	to.Rest()
	return f.dir(below, sub)
}

// file copies a file that is not a directory. Device nodes that this process may not make
// are left out, as in layers that are applied.
func (f *flattener) file(src, dst int, name, full string, st *unix.Stat_t) error {
	key := inode{uint64(st.Dev), st.Ino}
	if first, ok := f.links[key]; ok && st.Nlink > 1 {
		return f.link(first, dst, name)
	}
	if st.Nlink > 1 {
		f.links[key] = full
	}
	err := f.copyAs(src, name, dst, name, st)
	if err == unix.EPERM && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil
	}
	return err
}

// copyAs copies one file, without its other names. The error is EPERM for a device node
// that cannot be made.
func (f *flattener) copyAs(src int, name string, dst int, to string, st *unix.Stat_t) (err error) {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		err = f.content.copyAt(src, dst, name, to, st)
	case unix.S_IFLNK:
		var target string
		if target, err = readlink(src, name); err == nil {
			err = unix.Symlinkat(target, dst, to)
		}
	case unix.S_IFCHR, unix.S_IFBLK:
		err = f.format.owners().Mknod(dst, to, st.Mode&unix.S_IFMT|0o600, st.Rdev)
	default:
		err = unix.Mknodat(dst, to, st.Mode&unix.S_IFMT|0o600, 0)
	}
	if err != nil {
		return err
	}
	return copyMeta(src, name, dst, to, st, f.format, f.buf)
}

// link makes a hard link to the file that was copied to first.
func (f *flattener) link(first string, dst int, name string) error {
	dir, err := beneath.Open(f.top, ParentOf(first), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return unix.Linkat(dir, first[strings.LastIndexByte(first, '/')+1:], dst, name, 0)
}

// copyMeta gives a new file, which belongs to uid and gid 0, the metadata of another
// file. Name is "." for directories.
func copyMeta(src int, name string, dst int, to string, st *unix.Stat_t, format Format, buf []byte) error {
	attrs, _, err := Xattrs(src, name, st, Format{Owners: format.Owners}, buf)
	if err != nil {
		return err
	}
	m := owner.Meta{UID: int(st.Uid), GID: int(st.Gid), Mode: st.Mode, Fresh: true, Times: []unix.Timespec{st.Atim, st.Mtim}}
	for k, v := range attrs {
		if m.Xattrs == nil {
			m.Xattrs = map[string][]byte{}
		}
		m.Xattrs[strings.TrimPrefix(k, PAXXattr)] = []byte(v)
	}
	return format.owners().Set(dst, to, m)
}

// contentCopier copies contents of regular files, sharing blocks where the file system
// can.
type contentCopier struct {
	buf    []byte
	slow   bool // files cannot share blocks here
	plain  bool // copy_file_range does not work, either
	copied int64
}

// copyAt creates the file to, 0600, with the content of name.
func (c *contentCopier) copyAt(src, dst int, name, to string, st *unix.Stat_t) error {
	in, err := openRegular(src, name)
	if err != nil {
		return err
	}
	defer in.Close()
	fd, err := unix.Openat(dst, to, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	out := os.NewFile(uintptr(fd), to)
	err = c.copy(in, out, st.Size)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}

func (c *contentCopier) copy(in, out *os.File, size int64) error {
	if size == 0 {
		return nil
	}
	if !c.slow {
		err := unix.IoctlFileClone(int(out.Fd()), int(in.Fd()))
		if err == nil {
			return nil
		}
		c.slow = true
	}
	c.copied += size
	if err := out.Truncate(size); err != nil {
		return err
	}
	for off := int64(0); off < size; {
		data, err := unix.Seek(int(in.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO { // a hole to the end
			return nil
		}
		end := size
		if err == nil {
			end, err = unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE)
		}
		if err == unix.EINVAL { // the file system does not support it
			data, end, err = off, size, nil
		}
		if err == nil {
			err = c.extent(in, out, data, min(end, size))
		}
		if err != nil {
			return err
		}
		off = end
	}
	return nil
}

// extent copies the bytes between off and end.
func (c *contentCopier) extent(in, out *os.File, off, end int64) error {
	for off < end && !c.plain {
		r, w := off, off
		n, err := unix.CopyFileRange(int(in.Fd()), &r, int(out.Fd()), &w, int(min(end-off, 1<<30)), 0)
		switch {
		case err == unix.EXDEV, err == unix.ENOSYS, err == unix.EINVAL, err == unix.EOPNOTSUPP, err == unix.EPERM:
			c.plain = true
		case err != nil:
			return err
		case n == 0: // the file has become shorter
			return nil
		}
		off += int64(max(n, 0))
	}
	for off < end {
		n, err := in.ReadAt(c.buf[:min(int64(len(c.buf)), end-off)], off)
		if n == 0 {
			return err
		}
		if _, err := out.WriteAt(c.buf[:n], off); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}
