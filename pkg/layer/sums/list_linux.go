// SPDX-License-Identifier: MPL-2.0

package sums

import (
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// lister walks the directory of a layer.
type lister struct {
	format archive.Format
	buf    []byte
	each   func(f *File, ino uint64) error
}

// List calls each for every file in a layer's directory, the directory itself first, in the
// order of tree.Compare. Contents are not read: CRC is 0, and ino is the inode number.
func List(dir string, format archive.Format, each func(f *File, ino uint64) error) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	l := &lister{format, make([]byte, 64<<10), each}
	if _, err := l.file(fd, ".", ""); err != nil {
		return err
	}
	return l.dir(beneath.Root(fd))
}

func (l *lister) dir(dir *beneath.Dir) error {
	fd, err := dir.FD()
	if err != nil {
		return fmt.Errorf("open %s: %w", terminal.Line("/"+dir.Path()), err)
	}
	names, err := beneath.Names(fd)
	if err != nil {
		return fmt.Errorf("list %s: %w", terminal.Line("/"+dir.Path()), err)
	}
	for _, name := range names {
		if fd, err = dir.FD(); err != nil {
			return fmt.Errorf("open %s: %w", terminal.Line("/"+dir.Path()), err)
		}
		isDir, err := l.file(fd, name, dir.Join(name))
		if err != nil {
			return err
		}
		if !isDir {
			continue
		}
		sub, err := dir.Enter(name)
		if err != nil {
			return fmt.Errorf("open %s: %w", terminal.Line("/"+dir.Join(name)), err)
		}
		dir.Rest()
		err = l.dir(sub)
		sub.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// file reports name in the directory fd to each.
func (l *lister) file(fd int, name, full string) (isDir bool, err error) {
	st, err := archive.StatAt(fd, name, l.format)
	if err != nil {
		return false, fmt.Errorf("stat %s: %w", terminal.Line("/"+full), err)
	}
	f := &File{Path: full, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Mtime: int64(st.Mtim.Sec), MtimeNsec: int32(st.Mtim.Nsec)}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		f.Size = st.Size
	case unix.S_IFLNK:
		n, err := unix.Readlinkat(fd, name, l.buf)
		if err != nil {
			return false, fmt.Errorf("read link %s: %w", terminal.Line("/"+full), err)
		}
		f.Link = string(l.buf[:n])
	case unix.S_IFCHR, unix.S_IFBLK:
		f.Rdev = uint64(st.Rdev)
	}
	attrs, opaque, err := archive.Xattrs(fd, name, &st, l.format, l.buf)
	if err != nil {
		return false, fmt.Errorf("%s: %w", terminal.Line("/"+full), err)
	}
	f.Xattrs, f.opaque = Xattrs(recordXattrs(attrs)), opaque
	return st.Mode&unix.S_IFMT == unix.S_IFDIR, l.each(f, st.Ino)
}

// recordXattrs iterates over the extended attributes in PAX records, sorted by name.
func recordXattrs(records map[string]string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, k := range slices.Sorted(maps.Keys(records)) {
			if name, ok := strings.CutPrefix(k, archive.PAXXattr); ok && !yield(name, []byte(records[k])) {
				return
			}
		}
	}
}
