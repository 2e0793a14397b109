// SPDX-License-Identifier: MPL-2.0

package record

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// Info is what a layer has of a file.
type Info struct {
	Owner
	Mode   uint32            // type and permissions, as in st_mode; of a device its own type
	Xattrs map[string][]byte // without those of this machine's storage; nil: none
}

// Stat tells what a layer has of name in an open directory, without following a link. The
// directory is of the root as steps see it, for that is where numbers of inodes are as
// they were recorded.
func (t *Table) Stat(dir int, name string) (Info, error) {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return Info{}, fmt.Errorf("look at %s: %w", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Info{}, fmt.Errorf("look at %s: %w", name, err)
	}
	info := Info{Mode: st.Mode}
	o, _, err := t.Of(fd)
	if err != nil {
		return Info{}, fmt.Errorf("look at %s: %w", name, err)
	}
	info.Owner = o
	info.Mode = o.TypedMode(st.Mode)
	if m := st.Mode & unix.S_IFMT; m == unix.S_IFREG || m == unix.S_IFDIR {
		if info.Xattrs, err = xattrs(FDPath(fd)); err != nil {
			return Info{}, fmt.Errorf("look at %s: %w", name, err)
		}
	}
	return info, nil
}

// Of is the record of an open file, which may be open with O_PATH.
func (t *Table) Of(fd int) (Owner, bool, error) {
	o, ok, err := t.Read(FDPath(fd), false) // and refreshes
	if ok || err != nil || t.Empty() {
		return o, ok, err
	}
	// A link that is open itself is not reached by its path below /proc on all kernels.
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return Owner{}, false, err
	}
	o, ok = t.Lookup(inodeOf(&st))
	return o, ok, nil
}

// TypedMode is a mode with the type of a device in place of the placeholder's.
func (o Owner) TypedMode(mode uint32) uint32 {
	switch o.Kind {
	case Char:
		return mode&^unix.S_IFMT | unix.S_IFCHR
	case Block:
		return mode&^unix.S_IFMT | unix.S_IFBLK
	}
	return mode
}

// xattrs are the attributes of a file with the names and values that a step sees.
func xattrs(path string) (map[string][]byte, error) {
	names, err := List(path, false)
	if err != nil {
		return nil, err
	}
	stored := map[string][]byte{}
	for _, raw := range names {
		if _, ok := Shown(raw); !ok {
			continue
		}
		v, err := get(path, raw)
		if err == unix.ENODATA {
			continue
		}
		if err != nil {
			return nil, err
		}
		stored[raw] = v
	}
	return shownXattrs(stored), nil
}

// ACL is the access control list of a file, of which stored is what the file has.
func ACL(path, name string, stored []byte) ([]byte, error) {
	kept, err := get(path, FakePrefix+name)
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return stored, nil
	}
	if err != nil {
		return nil, err
	}
	return NamedACL(stored, kept), nil
}

// SetACL gives a file an access control list whose users and groups need not exist here.
func SetACL(path, name string, v []byte) error {
	mapped, foreign := MappedACL(v)
	if err := unix.Setxattr(path, name, mapped, 0); err != nil {
		return err
	}
	if foreign {
		return unix.Setxattr(path, FakePrefix+name, v, 0)
	}
	if err := unix.Removexattr(path, FakePrefix+name); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
		return err
	}
	return nil
}

// shownXattrs puts what is kept under another name in its place; nil: nothing.
func shownXattrs(stored map[string][]byte) map[string][]byte {
	var out map[string][]byte
	for raw, v := range stored {
		name, ok := Shown(raw)
		kept, isKept := stored[FakePrefix+name]
		real, isReal := stored[name]
		switch {
		case !ok, IsACL(name) && !isReal: // the ids of a list that is gone
			continue
		case isKept && IsACL(name):
			v = NamedACL(real, kept)
		case isKept:
			v = kept
		}
		if out == nil {
			out = map[string][]byte{}
		}
		out[name] = v
	}
	return out
}

// List are the names of a file's attributes as they are stored.
func List(path string, link bool) ([]string, error) {
	list := unix.Listxattr
	if link {
		list = unix.Llistxattr
	}
	buf := make([]byte, 1<<10)
	for {
		n, err := list(path, buf)
		if err == unix.ERANGE && len(buf) < 1<<17 {
			buf = make([]byte, 2*len(buf))
			continue
		}
		if err == unix.ENOTSUP {
			return nil, nil
		}
		if err != nil || n == 0 {
			return nil, err
		}
		return strings.Split(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00"), nil
	}
}

func get(path, name string) ([]byte, error) {
	buf := make([]byte, 256)
	for {
		n, err := unix.Getxattr(path, name, buf)
		if err == unix.ERANGE && len(buf) < 1<<17 {
			buf = make([]byte, 1<<17)
			continue
		}
		if err != nil {
			return nil, err
		}
		return buf[:n], nil
	}
}
