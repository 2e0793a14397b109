// SPDX-License-Identifier: MPL-2.0

package owner

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Policy sets and reads metadata. Files are named relative to an open directory, and a
// link in the last place is not followed; the name "" is the directory itself, or
// whatever file dir is.
type Policy interface {
	// Set gives a file all of its metadata.
	Set(dir int, name string, m Meta) error
	// Chown gives a file an owner, and leaves the rest as the kernel leaves it.
	Chown(dir int, name string, uid, gid int) error
	// Mknod makes a device node of a type and device number; mode has both, the type as
	// S_IFCHR or S_IFBLK and the permission bits.
	Mknod(dir int, name string, mode uint32, rdev uint64) error
	// Stat says what a file is.
	Stat(dir int, name string) (unix.Stat_t, error)
	// Look is Stat, and all extended attributes of the file but for the policy's own. Those
	// that the host has given it, such as security.selinux, are among them.
	Look(dir int, name string) (unix.Stat_t, map[string][]byte, error)
	// Xattr is what an extended attribute of a file says that is stored with a value. The
	// path is not of a link.
	Xattr(path, attr string, stored []byte) ([]byte, error)
	// Own reports whether an attribute is a record of the policy's, which goes where the
	// file goes, and is nothing of the file itself.
	Own(attr string) bool
}

// Meta is what a file gets.
type Meta struct {
	UID, GID int
	Mode     uint32            // with the type, whose links have no mode of their own
	Xattrs   map[string][]byte // by their full names
	Times    []unix.Timespec   // of access and of change of content; nil leaves them
	// Exact says that the file has no other attributes than Xattrs. Only a Table knows it:
	// for others, a file that has some is to be made anew.
	Exact bool
	// Fresh says that the file was just made by uid 0 and belongs to uid and gid 0, as
	// long as nothing else is said.
	Fresh bool
	// Optional reports whether an attribute may be left out where the kernel refuses it;
	// nil for none.
	Optional func(xattr string) bool
}

// Kernel asks the kernel.
type Kernel struct{}

// Set implements Policy, in this order: a change of owner takes set-id bits and
// capabilities away, and times come last.
func (Kernel) Set(dir int, name string, m Meta) error {
	if !m.given() {
		return setRest(dir, name, m, setKernel)
	}
	if err := (Kernel{}).Chown(dir, name, m.UID, m.GID); err != nil {
		return fmt.Errorf("set owner %d:%d: %w", m.UID, m.GID, err)
	}
	return setRest(dir, name, m, setKernel)
}

// setKernel sets an attribute as it is.
func setKernel(path, attr string, v []byte, link bool) error {
	if link {
		return unix.Lsetxattr(path, attr, v, 0)
	}
	return unix.Setxattr(path, attr, v, 0)
}

// given reports whether a file gets another owner than it has.
func (m Meta) given() bool { return !m.Fresh || m.UID != 0 || m.GID != 0 }

// Chown implements Policy.
func (Kernel) Chown(dir int, name string, uid, gid int) error {
	if name == "" {
		return unix.Fchownat(dir, "", uid, gid, unix.AT_EMPTY_PATH)
	}
	return unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
}

// Mknod implements Policy.
func (Kernel) Mknod(dir int, name string, mode uint32, rdev uint64) error {
	if err := unix.Mknodat(dir, name, mode, int(rdev)); err != nil {
		return err
	}
	return unix.Fchmodat(dir, name, mode&0o7777, 0) // whatever the umask
}

// Xattr implements Policy.
func (Kernel) Xattr(_, _ string, stored []byte) ([]byte, error) { return stored, nil }

// Own implements Policy.
func (Kernel) Own(string) bool { return false }

// Stat implements Policy.
func (Kernel) Stat(dir int, name string) (st unix.Stat_t, err error) {
	err = unix.Fstatat(dir, name, &st, flags(name))
	return st, err
}

func flags(name string) int {
	if name == "" {
		return unix.AT_EMPTY_PATH
	}
	return unix.AT_SYMLINK_NOFOLLOW
}

// setter sets an attribute of a file or, with link, of what a link itself is.
type setter func(path, attr string, v []byte, link bool) error

// setRest sets all but the owner.
func setRest(dir int, name string, m Meta, set setter) error {
	at, file, flags := dir, name, unix.AT_SYMLINK_NOFOLLOW
	if name == "" { // a link of procfs to what is meant
		at, file, flags = unix.AT_FDCWD, pathOf(dir, ""), 0
	}
	if m.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Fchmodat(at, file, m.Mode&0o7777, 0); err != nil {
			return fmt.Errorf("set mode %o: %w", m.Mode&0o7777, err)
		}
	}
	if err := setXattrs(dir, name, m, set); err != nil {
		return err
	}
	if m.Times == nil {
		return nil
	}
	if err := unix.UtimesNanoAt(at, file, m.Times, flags); err != nil {
		return fmt.Errorf("set time: %w", err)
	}
	return nil
}

func setXattrs(dir int, name string, m Meta, set setter) error {
	if len(m.Xattrs) == 0 {
		return nil
	}
	file := pathOf(dir, name)
	for _, k := range slices.Sorted(maps.Keys(m.Xattrs)) {
		err := set(file, k, m.Xattrs[k], name != "")
		refused := err == unix.EPERM || err == unix.ENOTSUP || err == unix.EACCES
		if err != nil && !(refused && m.Optional != nil && m.Optional(k)) {
			return fmt.Errorf("set extended attribute %q: %w", k, err)
		}
	}
	return nil
}

// pathOf names a file relative to an open directory.
func pathOf(dir int, name string) string {
	if dir == unix.AT_FDCWD {
		return name
	}
	at := "/proc/self/fd/" + strconv.Itoa(dir)
	if name != "" {
		at += "/" + name
	}
	return at
}
