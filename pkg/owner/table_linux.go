// SPDX-License-Identifier: MPL-2.0

package owner

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Table keeps all metadata in memory, as long as the Table: owners, modes, extended
// attributes and device nodes. Files belong to whoever makes them, who can always read and
// write them. So it needs neither
// privileges nor a file system with attributes, but birthdays of files: without those, one
// that gets the number of another could get its owner, too. What nobody has recorded belongs
// to uid and gid 0, and its mode is the kernel's.
type Table struct {
	mu    sync.Mutex
	files map[identity]entry
}

// entry is what a Table knows of a file.
type entry struct {
	uid, gid int
	mode     uint32 // permission bits, and the type of a device node; of another type 0
	kernel   uint32 // permission bits that the file has for the kernel while mode is right
	rdev     uint64
	xattrs   map[string][]byte
}

// Stat implements Policy.
func (t *Table) Stat(dir int, name string) (unix.Stat_t, error) {
	st, _, err := t.Look(dir, name)
	return st, err
}

// Look implements Policy: only attributes that were Set are there.
func (t *Table) Look(dir int, name string) (unix.Stat_t, map[string][]byte, error) {
	_, e, st, err := t.find(dir, name)
	if err != nil {
		return st, nil, err
	}
	st.Uid, st.Gid = uint32(e.uid), uint32(e.gid)
	st.Mode = st.Mode&unix.S_IFMT | e.mode&0o7777
	if kind := e.mode & unix.S_IFMT; kind != 0 {
		st.Mode, st.Rdev, st.Size = e.mode, e.rdev, 0
	}
	return st, maps.Clone(e.xattrs), nil
}

// find is what is known of a file, as of now.
func (t *Table) find(dir int, name string) (identity, entry, unix.Stat_t, error) {
	st, err := Kernel{}.Stat(dir, name)
	if err != nil {
		return identity{}, entry{}, st, err
	}
	id, err := identifyBorn(dir, name)
	if err != nil {
		return id, entry{}, st, err
	}
	t.mu.Lock()
	e, ok := t.files[id]
	t.mu.Unlock()
	if now := st.Mode & 0o7777; !ok || e.kernel != now { // somebody has changed it without asking
		e.mode, e.kernel = e.mode&unix.S_IFMT|now, now
	}
	return id, e, st, nil
}

func (t *Table) put(id identity, e entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.files == nil {
		t.files = map[identity]entry{}
	}
	t.files[id] = e
}

// Set implements Policy.
func (t *Table) Set(dir int, name string, m Meta) error {
	id, e, st, err := t.find(dir, name)
	if err != nil {
		return err
	}
	e.uid, e.gid = m.UID, m.GID
	e.mode = e.mode&unix.S_IFMT | m.Mode&0o7777
	if m.Exact {
		e.xattrs = nil
	}
	if len(m.Xattrs) > 0 {
		e.xattrs = maps.Clone(e.xattrs)
		if e.xattrs == nil {
			e.xattrs = map[string][]byte{}
		}
		for k, v := range m.Xattrs {
			e.xattrs[k] = bytes.Clone(v)
		}
	}
	mine := Meta{Fresh: true, Mode: st.Mode&unix.S_IFMT | accessible(st.Mode, m.Mode), Times: m.Times}
	if err := setRest(dir, name, mine, setKernel); err != nil {
		return err
	}
	if e.kernel = mine.Mode & 0o7777; st.Mode&unix.S_IFMT == unix.S_IFLNK {
		e.kernel = st.Mode & 0o7777
	}
	t.put(id, e)
	return nil
}

// accessible is a mode with which the owner of a file can read and change it.
func accessible(kind, mode uint32) uint32 {
	mode &= 0o7777
	if kind&unix.S_IFMT == unix.S_IFDIR {
		return mode | 0o700
	}
	return mode | 0o600
}

// Chown implements Policy. As the kernel does, it takes set-id bits and capabilities from
// files that are not directories.
func (t *Table) Chown(dir int, name string, uid, gid int) error {
	id, e, st, err := t.find(dir, name)
	if err != nil {
		return err
	}
	if uid >= 0 {
		e.uid = uid
	}
	if gid >= 0 {
		e.gid = gid
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		e.mode &^= unix.S_ISUID
		if e.mode&unix.S_IXGRP != 0 {
			e.mode &^= unix.S_ISGID
		}
		e.xattrs = maps.Clone(e.xattrs)
		delete(e.xattrs, "security.capability")
	}
	t.put(id, e)
	return nil
}

// Mknod implements Policy: it makes an empty file.
func (t *Table) Mknod(dir int, name string, mode uint32, rdev uint64) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	id, e, _, err := t.find(fd, "")
	if err != nil {
		return err
	}
	e.mode, e.rdev = mode, rdev
	t.put(id, e)
	return nil
}

var errBirthday = errors.New("the file system does not record when files were created, without which their owners cannot be kept in memory")

// identifyBorn is identify where files have birthdays.
func identifyBorn(dir int, name string) (identity, error) {
	id, err := identify(dir, name)
	if err == nil && id.born == 0 {
		err = errBirthday
	}
	return id, err
}

// Own has all files belong to this process, which can always read and change them. It
// forgets owners, attributes that do not begin with "user.", and set-id bits: it is for
// files whose metadata is elsewhere.
type Own struct{}

// Set implements Policy.
func (Own) Set(dir int, name string, m Meta) error {
	out := Meta{Mode: m.Mode&unix.S_IFMT | accessible(m.Mode, m.Mode&0o777), Times: m.Times, Fresh: true, Optional: func(string) bool { return true }}
	for k, v := range m.Xattrs {
		if strings.HasPrefix(k, "user.") {
			if out.Xattrs == nil {
				out.Xattrs = map[string][]byte{}
			}
			out.Xattrs[k] = v
		}
	}
	return setRest(dir, name, out, setKernel)
}

// Chown implements Policy.
func (Own) Chown(int, string, int, int) error { return nil }

// Mknod implements Policy: there are no device nodes.
func (Own) Mknod(_ int, name string, _ uint32, _ uint64) error {
	return fmt.Errorf("make device node %s: %w", name, unix.EPERM)
}

// Stat implements Policy.
func (Own) Stat(dir int, name string) (unix.Stat_t, error) { return Kernel{}.Stat(dir, name) }

// Xattr implements Policy.
func (*Table) Xattr(_, _ string, stored []byte) ([]byte, error) { return stored, nil }

// Own implements Policy.
func (*Table) Own(string) bool { return false }

// Xattr implements Policy.
func (Own) Xattr(_, _ string, stored []byte) ([]byte, error) { return stored, nil }

// Own implements Policy.
func (Own) Own(string) bool { return false }

// identity is a file, whatever it is called: one that gets its number later has another
// birthday.
type identity struct {
	dev  uint64
	ino  uint64
	born int64 // nanoseconds since 1970
}

func identify(dir int, name string) (identity, error) {
	var x unix.Statx_t
	if err := unix.Statx(dir, name, flags(name), unix.STATX_INO|unix.STATX_BTIME, &x); err != nil {
		return identity{}, err
	}
	return identity{unix.Mkdev(x.Dev_major, x.Dev_minor), x.Ino, x.Btime.Sec*1e9 + int64(x.Btime.Nsec)}, nil
}
