// SPDX-License-Identifier: MPL-2.0

package record

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// FDPath is a path of an open file, also of one that is open with O_PATH.
func FDPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Read is the record of a file; false: there is none. Link says that a symbolic link at
// the end of the path is the file.
func (t *Table) Read(path string, link bool) (Owner, bool, error) {
	var buf [128]byte
	get := unix.Getxattr
	if link {
		get = unix.Lgetxattr
	}
	n, err := get(path, Attr, buf[:])
	if err == nil {
		o, err := Parse(string(buf[:n]))
		return o, err == nil, err
	}
	if err == unix.ERANGE {
		return Owner{}, false, fmt.Errorf("record of %s: too long", path)
	}
	if err == unix.ENOENT || err == unix.ENOTDIR { // as whoever asks will find
		return Owner{}, false, nil
	}
	if err := t.refresh(); err != nil || t.Empty() {
		return Owner{}, false, err
	}
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, statFlags(link), unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return Owner{}, false, nil // so will it be for whoever asks
	}
	o, ok := t.Lookup(inodeOf(&st))
	return o, ok, nil
}

func statFlags(link bool) int {
	if link {
		return unix.AT_SYMLINK_NOFOLLOW
	}
	return 0
}

func inodeOf(st *unix.Statx_t) Inode {
	n := Inode{Number: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		n.Sec, n.Nsec, n.Born = st.Btime.Sec, int64(st.Btime.Nsec), true
	}
	return n
}

// kindOf is a file's kind in the words of containers/storage.
func kindOf(mode uint16) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "dir"
	case unix.S_IFLNK:
		return "symlink"
	case unix.S_IFIFO:
		return "pipe"
	case unix.S_IFSOCK:
		return "socket"
	}
	return "file"
}

// Write records the owner of an open file, which may be open with O_PATH. A device is an
// empty regular file.
func (t *Table) Write(fd int, o Owner) error {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return err
	}
	if err := t.refresh(); err != nil {
		return err
	}
	n := inodeOf(&st)
	_, inTable := t.Lookup(n)
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR:
		var err error
		if o.Default() && !inTable {
			if err = unix.Removexattr(FDPath(fd), Attr); err == unix.ENODATA || err == unix.ENOTSUP {
				return nil
			}
			return err
		}
		err = unix.Setxattr(FDPath(fd), Attr, []byte(o.Format(uint32(st.Mode), kindOf(st.Mode))), 0)
		if !errors.Is(err, unix.ENOTSUP) { // a tmpfs of before 6.6
			return err
		}
	}
	if o.Default() && !inTable {
		return nil
	}
	if !n.Born { // the record could be taken for one of the next file with that number
		return fmt.Errorf("record the owner of a file of type %o: its file system does not record when files were created: %w", st.Mode&unix.S_IFMT, unix.EOPNOTSUPP)
	}
	return t.Put(n, o, uint32(st.Mode), kindOf(st.Mode))
}
