// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"bytes"
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/owner/record"
	"github.com/carosio/carosbuild/pkg/supervisor/decode"
)

// plain reports whether the file that the caller creates belongs to root and gets nothing but
// what the kernel gives it: then the kernel creates it.
func (c *call) plain() bool {
	if c.creds.User.FS != 0 || c.creds.Group.FS != 0 {
		return false
	}
	up := decode.Target{FD: c.Target.FD, ByFD: true}
	trimmed := strings.TrimRight(c.Target.Path, "/")
	switch i := strings.LastIndexByte(trimmed, '/'); {
	case i == 0:
		up = decode.Target{Path: "/"}
	case i > 0:
		up = decode.Target{FD: c.Target.FD, Path: trimmed[:i]}
	}
	at, err := c.place(up)
	if err != nil {
		return true // creation fails anyway
	}
	defer at.close()
	o, ok, err := c.sup.table.Read(at.path, false)
	if err != nil || ok && o.GID != 0 {
		return false // it may have the setgid bit
	}
	_, err = unix.Getxattr(at.path, record.FakePrefix+record.ACLDefault, nil)
	return err != nil
}

// asCaller sets this thread's umask to the caller's.
func (c *call) asCaller() error {
	s, err := c.thread.status()
	if err != nil {
		return unix.ESRCH
	}
	if !c.sup.listener.valid(c.n.ID) {
		return unix.ESRCH
	}
	unix.Umask(s.umask)
	return nil
}

// make creates a file in its directory as the caller would, and records it.
func (c *call) make(f func(dir int, name string) error) answer {
	dir, name, err := c.parent(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(dir)
	if err := c.asCaller(); err != nil {
		return fails(err)
	}
	if err := f(dir, name); err != nil {
		return fails(err)
	}
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	if err := c.record(dir, fd); err != nil {
		_ = unix.Unlinkat(dir, name, 0)
		_ = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		return fails(err)
	}
	return success
}

// record records a file that the caller has created in a directory: its owner, and the ids
// of the access control list that it inherits.
func (c *call) record(dir, fd int) error {
	o := record.Owner{UID: c.creds.User.FS, GID: c.creds.Group.FS}
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_ISGID != 0 {
		above, _, err := c.sup.table.Of(dir)
		if err != nil {
			return err
		}
		o.GID = above.GID
	}
	if err := c.sup.table.Write(fd, o); err != nil {
		return err
	}
	return inheritACL(dir, fd)
}

// inheritACL gives a new file the ids of its directory's default list; the kernel has
// copied the rest of the list.
func inheritACL(dir, fd int) error {
	ids, err := readAttr(fdPath(dir), record.FakePrefix+record.ACLDefault, false)
	if err != nil || ids == nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	names := []string{record.ACLAccess}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		names = append(names, record.ACLDefault)
	case unix.S_IFREG:
	case unix.S_IFLNK:
		return nil
	default:
		return unix.EOPNOTSUPP // its list has ids that cannot be stored
	}
	for _, name := range names {
		v, err := readAttr(fdPath(fd), name, false)
		if err != nil {
			return err
		}
		if v == nil {
			continue
		}
		if err := unix.Setxattr(fdPath(fd), record.FakePrefix+name, ids, 0); err != nil {
			return err
		}
	}
	return nil
}

func (c *call) mkdir() answer {
	if c.plain() {
		return proceed
	}
	return c.make(func(dir int, name string) error { return unix.Mkdirat(dir, name, c.Mode) })
}

func (c *call) symlink() answer {
	if c.plain() || strings.HasSuffix(c.Target.Path, "/") {
		return proceed
	}
	return c.make(func(dir int, name string) error { return unix.Symlinkat(c.Link, dir, name) })
}

// mknod refuses devices, including overlay's whiteouts, as the kernel does in a user namespace
// with ids.
func (c *call) mknod() answer {
	if kind := c.Mode & unix.S_IFMT; kind == unix.S_IFCHR || kind == unix.S_IFBLK {
		return fails(c.refuseDevice())
	}
	if c.plain() || strings.HasSuffix(c.Target.Path, "/") {
		return proceed
	}
	return c.make(func(dir int, name string) error { return unix.Mknodat(dir, name, c.Mode, 0) })
}

// refuseDevice is the error for a device; errors that the kernel finds earlier come first.
func (c *call) refuseDevice() error {
	dir, name, err := c.parent(c.Target)
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	switch err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); {
	case err == nil:
		return unix.EEXIST
	case err != unix.ENOENT:
		return err
	case strings.HasSuffix(c.Target.Path, "/"):
		return unix.ENOENT
	}
	return unix.EPERM
}

// openNew creates the file that is to be opened, if it does not exist, and passes it to the
// caller.
func (c *call) openNew() answer {
	if c.Name == "creat" {
		c.Flags = unix.O_CREAT | unix.O_WRONLY | unix.O_TRUNC
	}
	const tmpfile = unix.O_TMPFILE &^ unix.O_DIRECTORY
	if c.Flags&tmpfile != 0 {
		return c.openUnnamed()
	}
	if c.plain() || c.Flags&unix.O_DIRECTORY != 0 || strings.HasSuffix(c.Target.Path, "/") {
		return proceed
	}
	dir, name, err := c.parent(c.Target)
	if err == unix.EEXIST {
		return proceed // "." or ".."
	}
	if err != nil {
		return fails(err)
	}
	defer unix.Close(dir)
	if err := c.asCaller(); err != nil {
		return fails(err)
	}
	fd, err := unix.Openat(dir, name, int(c.Flags)|unix.O_EXCL|unix.O_CLOEXEC, c.Mode&0o7777)
	if err == unix.EEXIST && c.Flags&(unix.O_EXCL|unix.O_NOFOLLOW) == 0 {
		return c.openBehindLink(dir, name)
	}
	if err == unix.EEXIST {
		return proceed
	}
	return c.handOver(dir, fd, err, func() { _ = unix.Unlinkat(dir, name, 0) })
}

// openBehindLink creates the missing file that a link points at.
func (c *call) openBehindLink(dir int, name string) answer {
	var buf [4097]byte
	n, err := unix.Readlinkat(dir, name, buf[:])
	if err != nil {
		return proceed // a file
	}
	target := decode.Target{FD: c.Target.FD, Path: string(buf[:n])}
	if !strings.HasPrefix(target.Path, "/") {
		if i := strings.LastIndexByte(c.Target.Path, '/'); i >= 0 {
			target.Path = c.Target.Path[:i+1] + target.Path
		}
	}
	if len(target.Path) >= unix.PathMax {
		return fails(unix.ENAMETOOLONG)
	}
	if fd, err := c.open(target); err == nil {
		unix.Close(fd)
		return proceed
	}
	next := *c
	next.Target = target
	next.depth++
	if next.depth > maxLinks {
		return fails(unix.ELOOP)
	}
	return next.openNew()
}

// openUnnamed opens a file that has no name yet.
func (c *call) openUnnamed() answer {
	c.Target.Path = strings.TrimRight(c.Target.Path, "/") + "/." // plain looks at the parent
	if c.plain() {
		return proceed
	}
	dir, err := c.open(c.Target)
	if err != nil {
		return fails(err)
	}
	defer unix.Close(dir)
	if err := c.asCaller(); err != nil {
		return fails(err)
	}
	fd, err := unix.Open(fdPath(dir), int(c.Flags)|unix.O_CLOEXEC, c.Mode&0o7777)
	return c.handOver(dir, fd, err, func() {})
}

// handOver records a file that was created in a directory and passes it to the caller.
func (c *call) handOver(dir, fd int, err error, undo func()) answer {
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	if err := c.record(dir, fd); err != nil {
		undo()
		return fails(err)
	}
	if err := c.sup.listener.give(c.n.ID, fd, c.Flags&unix.O_CLOEXEC != 0); err != nil {
		return fails(err)
	}
	return answer{answered: true}
}

// bind creates the file of a unix socket.
func (c *call) bind() answer {
	if len(c.Value) < 3 || binary.NativeEndian.Uint16(c.Value) != unix.AF_UNIX || c.Value[2] == 0 {
		return proceed
	}
	name, _, _ := bytes.Cut(c.Value[2:], []byte{0})
	socket := c.Target.FD
	c.Target = decode.Target{FD: decode.AtCwd, Path: string(name), NoLink: true}
	if c.plain() {
		return proceed
	}
	if root, chrooted, err := c.root(); chrooted || err != nil {
		unix.Close(root)
		return fails(unix.EPERM) // its path would be looked up in another root
	}
	cwd, err := c.open(decode.Target{FD: decode.AtCwd, ByFD: true})
	if err != nil {
		return fails(err)
	}
	defer unix.Close(cwd)
	fd, err := c.fetch(int(socket))
	if err != nil {
		return fails(err)
	}
	defer unix.Close(fd)
	if err := unix.Fchdir(cwd); err != nil { // for this thread only
		return fails(err)
	}
	defer func() { _ = unix.Chdir("/") }()
	return c.make(func(int, string) error {
		// The same path as the caller's: getsockname returns it.
		return unix.Bind(fd, &unix.SockaddrUnix{Name: string(name)})
	})
}

// fetch copies a descriptor of the caller into this process.
func (c *call) fetch(fd int) (int, error) {
	s, err := c.thread.status()
	if err != nil {
		return -1, unix.ESRCH
	}
	pidfd, err := unix.PidfdOpen(s.process, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(pidfd)
	return c.checked(unix.PidfdGetfd(pidfd, fd, 0))
}
