// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/supervisor/creds"
	"github.com/carosio/carosbuild/pkg/supervisor/decode"
)

// chown records an owner. The kernel's own chown, to the only id, does the rest: it removes
// setuid bits and capabilities of programs, sets the change time, and makes an overlay copy up
// the file, which then carries the record.
func (c *call) chown() answer {
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	o, _, err := c.sup.table.Of(fd)
	if err != nil {
		return fails(err)
	}
	if !c.creds.Can(creds.Chown) {
		mine := o.UID == c.creds.User.FS
		if c.UID != creds.Unset && (!mine || c.UID != o.UID) || c.GID != creds.Unset && (!mine || c.GID != o.GID && !c.creds.InGroup(c.GID)) {
			return fails(unix.EPERM)
		}
	}
	uid, gid := -1, -1
	if c.UID != creds.Unset {
		uid, o.UID = 0, c.UID
	}
	if c.GID != creds.Unset {
		gid, o.GID = 0, c.GID
	}
	if err := unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return fails(err)
	}
	return fails(c.sup.table.Write(fd, o))
}

// chmod is left to the kernel if the caller may do it, and keeps the caller's setgid bit.
func (c *call) chmod() answer {
	if c.creds.Can(creds.Fowner) && c.creds.Can(creds.Fsetid) {
		return proceed
	}
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	o, _, err := c.sup.table.Of(fd)
	switch {
	case err != nil:
		return fails(err)
	case o.UID != c.creds.User.FS && !c.creds.Can(creds.Fowner):
		return fails(unix.EPERM)
	case c.Mode&unix.S_ISGID == 0 || c.creds.InGroup(o.GID) || c.creds.Can(creds.Fsetid):
		return proceed
	}
	return fails(unix.Chmod(fdPath(fd), c.Mode&0o7777&^unix.S_ISGID))
}

// place is the path at which this process finds the file of a call, to look for a record.
// It is not reliable enough for changing anything.
type place struct {
	path string
	link bool // a link at the end of the path is the file
	fd   int  // -1: none
}

// close must be called for each place.
func (p place) close() {
	if p.fd >= 0 {
		unix.Close(p.fd)
	}
}

func (c *call) place(t decode.Target) (place, error) {
	switch {
	case t.ByFD && t.FD != decode.AtCwd:
		return place{c.thread.path(fmt.Sprintf("fd/%d", t.FD)), false, -1}, nil
	case t.ByFD:
		return place{c.thread.path("cwd"), false, -1}, nil
	case c.sup.chrooted.Load(), strings.HasPrefix(t.Path, "/proc/"), strings.HasPrefix(t.Path, "/dev/"):
		fd, err := c.open(t)
		return place{fdPath(fd), false, fd}, err
	case strings.HasPrefix(t.Path, "/"):
		return place{t.Path, t.NoLink, -1}, nil
	case t.FD == decode.AtCwd:
		return place{c.thread.path("cwd/" + t.Path), t.NoLink, -1}, nil
	}
	return place{c.thread.path(fmt.Sprintf("fd/%d/%s", t.FD, t.Path)), t.NoLink, -1}, nil
}

// stat returns the recorded owner and device. A file without a record is left to the
// kernel.
func (c *call) stat() answer {
	at, err := c.place(c.Target)
	if err != nil {
		return proceed // it fails in the kernel, too
	}
	_, ok, err := c.sup.table.Read(at.path, at.link)
	at.close()
	if err != nil {
		return fails(err)
	}
	if !ok {
		return proceed
	}
	fd, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	o, ok, err := c.sup.table.Of(fd)
	if err != nil {
		return fails(err)
	}
	if !ok {
		return proceed
	}
	b, err := c.statOf(fd, o)
	if err != nil {
		return fails(err)
	}
	if !c.sup.listener.valid(c.n.ID) {
		return fails(unix.ESRCH)
	}
	return fails(c.thread.write(c.Buf, b))
}

// statOf returns the struct with the metadata of an open file.
func (c *call) statOf(fd int, o record.Owner) ([]byte, error) {
	if c.Name == "statx" {
		var st unix.Statx_t
		if err := unix.Statx(fd, "", int(c.Flags&^unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH), int(c.Mask), &st); err != nil {
			return nil, err
		}
		st.Uid, st.Gid, st.Mode = o.UID, o.GID, uint16(o.TypedMode(uint32(st.Mode)))
		st.Rdev_major, st.Rdev_minor = o.Major, o.Minor
		return bytesOf(&st), nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	s := decode.Stat{
		Dev: st.Dev, Ino: st.Ino, Nlink: uint64(st.Nlink), Rdev: st.Rdev,
		Mode: o.TypedMode(st.Mode), UID: o.UID, GID: o.GID,
		Size: st.Size, Blksize: int64(st.Blksize), Blocks: st.Blocks,
		Atime: [2]int64{st.Atim.Sec, st.Atim.Nsec}, Mtime: [2]int64{st.Mtim.Sec, st.Mtim.Nsec}, Ctime: [2]int64{st.Ctim.Sec, st.Ctim.Nsec},
	}
	if o.Kind != "" {
		s.Rdev = unix.Mkdev(o.Major, o.Minor)
	}
	b, ok := s.Encode(c.Arch)
	if !ok {
		return nil, unix.ENOSYS
	}
	return b, nil
}

// put writes an answer of at most n bytes into the caller's memory, as the xattr calls do:
// a size of 0 asks for the length.
func (c *call) put(b []byte) answer {
	size := c.Size
	switch {
	case size == 0:
		return answer{value: int64(len(b))}
	case uint64(len(b)) > size:
		return fails(unix.ERANGE)
	case !c.sup.listener.valid(c.n.ID):
		return fails(unix.ESRCH)
	}
	if err := c.thread.write(c.Buf, b); err != nil {
		return fails(err)
	}
	return answer{value: int64(len(b))}
}
