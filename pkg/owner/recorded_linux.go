// SPDX-License-Identifier: MPL-2.0

package owner

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
)

// Recorded keeps owners, device nodes and the ids of access control lists as records,
// where the kernel knows no owner but the caller: see package record. A device node is an
// empty file with a record. What nobody has recorded belongs to uid and gid 0.
//
// A root whose steps can write the attribute of records by themselves must not be read
// with it: they would give themselves any owner.
type Recorded struct {
	// Table has the records of what can have no attribute: links, pipes, sockets.
	Table *record.Table
}

// Set implements Policy.
func (r *Recorded) Set(dir int, name string, m Meta) error {
	// The number of a new link may be that of one that had a record.
	if m.given() || !holdsXattr(m.Mode) {
		if err := r.Chown(dir, name, m.UID, m.GID); err != nil {
			return fmt.Errorf("set owner %d:%d: %w", m.UID, m.GID, err)
		}
	}
	return setRest(dir, name, m, setRecorded)
}

// setRecorded sets an attribute, an access control list as far as the ids are there.
func setRecorded(path, attr string, v []byte, link bool) error {
	if record.IsACL(attr) {
		return record.SetACL(path, attr, v)
	}
	return setKernel(path, attr, v, link)
}

// Chown implements Policy. The kernel's own change to the caller's id takes set-id bits and
// capabilities away, and sets the time of the change.
func (r *Recorded) Chown(dir int, name string, uid, gid int) error {
	fd, err := open(dir, name)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	o, _, err := r.Table.Of(fd)
	if err != nil {
		return err
	}
	if uid >= 0 {
		o.UID = uint32(uid)
	}
	if gid >= 0 {
		o.GID = uint32(gid)
	}
	if err := unix.Fchownat(fd, "", os.Geteuid(), os.Getegid(), unix.AT_EMPTY_PATH); err != nil {
		return err
	}
	return r.Table.Write(fd, o)
}

// Mknod implements Policy: it makes an empty file.
func (r *Recorded) Mknod(dir int, name string, mode uint32, rdev uint64) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fchmod(fd, mode&0o7777); err != nil {
		return err
	}
	o := record.Owner{Kind: record.Char, Major: unix.Major(rdev), Minor: unix.Minor(rdev)}
	if mode&unix.S_IFMT == unix.S_IFBLK {
		o.Kind = record.Block
	}
	return r.Table.Write(fd, o)
}

// Stat implements Policy. A record that does not fit the file is an error.
func (r *Recorded) Stat(dir int, name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	fd, err := open(dir, name)
	if err != nil {
		return st, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return st, err
	}
	o, _, err := r.Table.Of(fd)
	if err != nil {
		return st, err
	}
	st.Uid, st.Gid = o.UID, o.GID
	if o.Kind == "" {
		return st, nil
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != 0 {
		return st, fmt.Errorf("a device is recorded for a file of type %o with %d bytes", st.Mode&unix.S_IFMT, st.Size)
	}
	if o.Major == 0 && o.Minor == 0 && o.Kind == record.Char {
		return st, fmt.Errorf("a layer cannot contain a character device 0:0, which marks a removed file")
	}
	st.Mode, st.Rdev = o.TypedMode(st.Mode), unix.Mkdev(o.Major, o.Minor)
	return st, nil
}

// Xattr implements Policy.
func (r *Recorded) Xattr(path, attr string, stored []byte) ([]byte, error) {
	if !record.IsACL(attr) {
		return stored, nil
	}
	return record.ACL(path, attr, stored)
}

// Own implements Policy.
func (r *Recorded) Own(attr string) bool { return record.Own(attr) }

// open opens a file, not to be read.
func open(dir int, name string) (int, error) {
	if name == "" {
		return unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0)
	}
	return unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
}

// holdsXattr reports whether a file can have attributes of users: user.* is for regular
// files and directories, xattr(7).
func holdsXattr(mode uint32) bool {
	t := mode & unix.S_IFMT
	return t == unix.S_IFREG || t == unix.S_IFDIR
}
