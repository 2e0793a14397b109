// SPDX-License-Identifier: MPL-2.0

package owner

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Xattr is where a regular file or directory has its record: UID:GID:MODE:TYPE, the mode
// as four octal digits or more, in the form of containers/storage. Type is "file", "dir",
// "symlink", "pipe", "socket", "block-MAJ-MIN" or "char-MAJ-MIN".
const Xattr = "user.containers.override_stat"

// Recorded keeps owners and device nodes as records. A regular file or directory has its
// record as an attribute, so that it goes where the file goes; a device node is an empty
// file with a record. What can have no attribute (links, pipes, sockets) has its record
// in memory, as long as the Recorded. What nobody has recorded belongs to uid and gid 0.
//
// A root whose steps can write the attribute by themselves must not be read with it: they
// would give themselves any owner.
type Recorded struct {
	mu   sync.Mutex
	side map[identity]record
}

// identity is a file, whatever it is called: one that gets its number later has another
// birthday.
type identity struct {
	dev  uint64
	ino  uint64
	born int64 // nanoseconds since 1970
}

// record is what is kept of a file.
type record struct {
	uid, gid int
	mode     uint32 // permission bits, stale after a change of mode
	kind     string
}

func (r record) String() string { return fmt.Sprintf("%d:%d:%04o:%s", r.uid, r.gid, r.mode, r.kind) }

var errRecord = errors.New("the record of an owner cannot be read")

// parseRecord reads a record.
func parseRecord(s string) (record, error) {
	f := strings.Split(s, ":")
	if len(f) != 4 {
		return record{}, fmt.Errorf("%w: %.80q", errRecord, s)
	}
	uid, err1 := strconv.ParseUint(f[0], 10, 32)
	gid, err2 := strconv.ParseUint(f[1], 10, 32)
	mode, err3 := strconv.ParseUint(f[2], 8, 32)
	r := record{int(uid), int(gid), uint32(mode), f[3]}
	_, _, _, err4 := r.device()
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return record{}, fmt.Errorf("%w: %.80q", errRecord, s)
	}
	return r, nil
}

// device is the type and number of a device node; false for anything else.
func (r record) device() (kind uint32, rdev uint64, ok bool, err error) {
	f := strings.Split(r.kind, "-")
	switch f[0] {
	case "char":
		kind = unix.S_IFCHR
	case "block":
		kind = unix.S_IFBLK
	case "file", "dir", "symlink", "pipe", "socket":
		return 0, 0, false, nil
	default:
		return 0, 0, false, errRecord
	}
	if len(f) != 3 {
		return 0, 0, false, errRecord
	}
	major, err := strconv.ParseUint(f[1], 10, 32)
	if err != nil {
		return 0, 0, false, err
	}
	minor, err := strconv.ParseUint(f[2], 10, 32)
	return kind, unix.Mkdev(uint32(major), uint32(minor)), err == nil, err
}

// kindOf is the type of a file in a record.
func kindOf(mode uint32) string {
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

// Set implements Policy.
func (r *Recorded) Set(dir int, name string, m Meta) error {
	if !m.given() {
		return setRest(dir, name, m)
	}
	if err := r.Chown(dir, name, m.UID, m.GID); err != nil {
		return fmt.Errorf("set owner %d:%d: %w", m.UID, m.GID, err)
	}
	return setRest(dir, name, m)
}

// Chown implements Policy. As the kernel does, it takes set-id bits from files that are
// not directories, but for the group's where that cannot execute the file.
func (r *Recorded) Chown(dir int, name string, uid, gid int) error {
	st, err := Kernel{}.Stat(dir, name)
	if err != nil {
		return err
	}
	was, err := r.recordOf(dir, name, &st)
	if err != nil {
		return err
	}
	rec := record{uid, gid, st.Mode & 0o7777, kindOf(st.Mode)}
	if _, _, ok, _ := was.device(); ok {
		rec.kind = was.kind
	}
	if uid < 0 { // as it is
		rec.uid = was.uid
	}
	if gid < 0 {
		rec.gid = was.gid
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		if err := dropPrivileges(dir, name, &st); err != nil {
			return err
		}
	}
	return r.put(dir, name, &st, rec)
}

// dropPrivileges does to a file what a change of its owner does.
func dropPrivileges(dir int, name string, st *unix.Stat_t) error {
	mode := st.Mode & 0o7777 &^ unix.S_ISUID
	if mode&unix.S_IXGRP != 0 {
		mode &^= unix.S_ISGID
	}
	if mode != st.Mode&0o7777 {
		if err := unix.Chmod(pathOf(dir, name), mode); err != nil {
			return err
		}
	}
	const capability = "security.capability"
	if _, err := unix.Getxattr(pathOf(dir, name), capability, nil); err != nil { // it has none
		return nil
	}
	return unix.Removexattr(pathOf(dir, name), capability)
}

// Mknod implements Policy: it makes an empty file.
func (r *Recorded) Mknod(dir int, name string, mode uint32, rdev uint64) error {
	kind := "char"
	if mode&unix.S_IFMT == unix.S_IFBLK {
		kind = "block"
	}
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	rec := record{0, 0, mode & 0o7777, fmt.Sprintf("%s-%d-%d", kind, unix.Major(rdev), unix.Minor(rdev))}
	if err := unix.Fsetxattr(fd, Xattr, []byte(rec.String()), 0); err != nil {
		return err
	}
	return unix.Fchmod(fd, mode&0o7777)
}

// Stat implements Policy.
func (r *Recorded) Stat(dir int, name string) (unix.Stat_t, error) {
	st, err := Kernel{}.Stat(dir, name)
	if err != nil {
		return st, err
	}
	rec, err := r.recordOf(dir, name, &st)
	if err != nil {
		return st, err
	}
	st.Uid, st.Gid = uint32(rec.uid), uint32(rec.gid)
	if kind, rdev, ok, _ := rec.device(); ok && st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size == 0 {
		st.Mode, st.Rdev = st.Mode&0o7777|kind, rdev
	}
	return st, nil
}

// recordOf is the record of a file, that of uid and gid 0 where there is none.
func (r *Recorded) recordOf(dir int, name string, st *unix.Stat_t) (record, error) {
	none := record{kind: kindOf(st.Mode)}
	if !holdsXattr(st.Mode) {
		id, err := identify(dir, name)
		if err != nil {
			return none, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if rec, ok := r.side[id]; ok {
			return rec, nil
		}
		return none, nil
	}
	var buf [128]byte
	n, err := unix.Getxattr(pathOf(dir, name), Xattr, buf[:])
	if err == unix.ENODATA || err == unix.ENOTSUP {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	return parseRecord(string(buf[:n]))
}

// put keeps a record, or forgets it where it says nothing.
func (r *Recorded) put(dir int, name string, st *unix.Stat_t, rec record) error {
	_, _, device, _ := rec.device()
	empty := rec.uid == 0 && rec.gid == 0 && !device
	if holdsXattr(st.Mode) {
		file := pathOf(dir, name)
		if !empty {
			return unix.Setxattr(file, Xattr, []byte(rec.String()), 0)
		}
		if err := unix.Removexattr(file, Xattr); err != nil && err != unix.ENODATA && err != unix.ENOTSUP {
			return err
		}
		return nil
	}
	id, err := identify(dir, name)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.side == nil {
		r.side = map[identity]record{}
	}
	if empty {
		delete(r.side, id)
	} else {
		r.side[id] = rec
	}
	return nil
}

// holdsXattr reports whether a file can have attributes of users: user.* is for regular
// files and directories, xattr(7).
func holdsXattr(mode uint32) bool {
	t := mode & unix.S_IFMT
	return t == unix.S_IFREG || t == unix.S_IFDIR
}

func identify(dir int, name string) (identity, error) {
	var x unix.Statx_t
	if err := unix.Statx(dir, name, flags(name), unix.STATX_INO|unix.STATX_BTIME, &x); err != nil {
		return identity{}, err
	}
	return identity{unix.Mkdev(x.Dev_major, x.Dev_minor), x.Ino, x.Btime.Sec*1e9 + int64(x.Btime.Nsec)}, nil
}
