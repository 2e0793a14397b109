// SPDX-License-Identifier: MPL-2.0

package supervisor

import (
	"fmt"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/supervisor/decode"
)

// maxLinks is the number of links that a path may contain, as in the kernel.
const maxLinks = 40

// errnoOf is the system call error in an error, or EIO.
func errnoOf(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	if e, ok := err.(syscall.Errno); ok {
		return e
	}
	return unix.EIO
}

// open opens the file of a call with O_PATH, as the calling thread would find it.
func (c *call) open(t decode.Target) (int, error) {
	if t.ByFD {
		name := "cwd"
		if t.FD != decode.AtCwd {
			name = fmt.Sprintf("fd/%d", t.FD)
		}
		fd, err := unix.Open(c.thread.path(name), unix.O_PATH|unix.O_CLOEXEC, 0)
		if err == unix.ENOENT {
			err = unix.EBADF
		}
		return c.checked(fd, err)
	}
	root, chrooted, err := c.root()
	if err != nil {
		return -1, err
	}
	if chrooted {
		defer unix.Close(root)
		return c.openIn(root, t)
	}
	base := unix.AT_FDCWD // for an absolute path: this process has the same root
	if !strings.HasPrefix(t.Path, "/") {
		if base, err = c.open(decode.Target{FD: t.FD, ByFD: true}); err != nil {
			return -1, err
		}
		defer unix.Close(base)
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS}
	if t.NoLink {
		how.Flags |= unix.O_NOFOLLOW
	}
	fd, err := unix.Openat2(base, t.Path, &how)
	if err == unix.ELOOP || procLink(t) {
		if err == nil {
			unix.Close(fd)
		}
		return c.walk(base, t)
	}
	return fd, err
}

// procLink reports whether the path itself names a link below /proc that is different for
// each process.
func procLink(t decode.Target) bool { return t.NoLink && strings.HasPrefix(t.Path, "/proc/") }

// checked returns a descriptor that was found by the thread's number, unless the thread is
// no longer the caller.
func (c *call) checked(fd int, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	if !c.sup.listener.valid(c.n.ID) {
		unix.Close(fd)
		return -1, unix.ESRCH
	}
	return fd, nil
}

// root is the thread's root if it differs from the root of this process; whoever calls root
// closes the descriptor.
func (c *call) root() (fd int, chrooted bool, err error) {
	if !c.sup.chrooted.Load() {
		return -1, false, nil
	}
	var buf [4097]byte
	n, err := unix.Readlink(c.thread.path("root"), buf[:])
	if err != nil || string(buf[:n]) == "/" {
		return -1, false, err
	}
	fd, err = c.checked(unix.Open(c.thread.path("root"), unix.O_PATH|unix.O_CLOEXEC, 0))
	return fd, err == nil, err
}

// openIn opens a file for a thread with another root. A path relative to its working
// directory or to a descriptor is looked up from the root, by the path of these.
func (c *call) openIn(root int, t decode.Target) (int, error) {
	name := t.Path
	if !strings.HasPrefix(name, "/") {
		base, err := c.open(decode.Target{FD: t.FD, ByFD: true})
		if err != nil {
			return -1, err
		}
		defer unix.Close(base)
		top, err1 := pathOf(root)
		at, err2 := pathOf(base)
		rest, inside := strings.CutPrefix(at+"/", strings.TrimSuffix(top, "/")+"/")
		if err1 != nil || err2 != nil || !inside {
			return -1, unix.EPERM // it has kept a directory outside its root
		}
		name = rest + name
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS}
	if t.NoLink {
		how.Flags |= unix.O_NOFOLLOW
	}
	return unix.Openat2(root, "./"+name, &how)
}

// pathOf is the path of an open file.
func pathOf(fd int) (string, error) {
	var buf [4097]byte
	n, err := unix.Readlink(fdPath(fd), buf[:])
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// walk opens a path through links of /proc whose meaning depends on the process: links to the
// calling process and to its open files. It goes name by name.
func (c *call) walk(base int, t decode.Target) (int, error) {
	s, err := c.thread.status()
	if err != nil {
		return -1, unix.ESRCH
	}
	start := "."
	if strings.HasPrefix(t.Path, "/") {
		base, start = unix.AT_FDCWD, "/"
	}
	at, err := unix.Openat(base, start, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	w := walker{thread: c.thread, process: s.process, at: at}
	defer func() { unix.Close(w.at) }()
	if err := w.follow(t.Path, t.NoLink && !strings.HasSuffix(t.Path, "/"), new(int)); err != nil {
		return -1, err
	}
	return c.checked(unix.FcntlInt(uintptr(w.at), unix.F_DUPFD_CLOEXEC, 0))
}

type walker struct {
	thread  thread
	process int
	at      int // current directory
}

func (w *walker) step(fd int) {
	unix.Close(w.at)
	w.at = fd
}

// follow follows a path; noLink stops at a link at its end.
func (w *walker) follow(name string, noLink bool, links *int) error {
	if strings.HasPrefix(name, "/") {
		fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		w.step(fd)
	}
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	for i, part := range parts {
		if err := w.enter(part, noLink && i == len(parts)-1, links); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) enter(part string, noLink bool, links *int) error {
	fd, err := unix.Openat(w.at, part, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFLNK || noLink {
		w.step(fd)
		return err
	}
	defer unix.Close(fd)
	if *links++; *links > maxLinks {
		return unix.ELOOP
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return err
	}
	var buf [4097]byte
	n, err := unix.Readlinkat(fd, "", buf[:])
	if err != nil {
		return err
	}
	to := string(buf[:n])
	if fs.Type == unix.PROC_SUPER_MAGIC {
		switch part {
		case "self":
			to = fmt.Sprint(w.process)
		case "thread-self":
			to = fmt.Sprintf("%d/task/%d", w.process, uint32(w.thread))
		default:
			// The link leads to a file, not to a path.
			next, err := unix.Openat2(w.at, part, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS})
			if err != unix.ELOOP {
				if err == nil {
					unix.Close(next)
				}
				break
			}
			if next, err = unix.Openat(w.at, part, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
				return err
			}
			w.step(next)
			return nil
		}
	}
	return w.follow(to, false, links)
}

// parent opens the directory in which a file is created, and returns the file's name there.
func (c *call) parent(t decode.Target) (dir int, name string, err error) {
	trimmed := strings.TrimRight(t.Path, "/")
	name = path.Base(trimmed)
	if trimmed == "" || name == "." || name == ".." {
		return -1, "", unix.EEXIST
	}
	up := trimmed[:len(trimmed)-len(name)]
	if up == "" {
		dir, err = c.open(decode.Target{FD: t.FD, ByFD: true})
	} else {
		dir, err = c.open(decode.Target{FD: t.FD, Path: up})
	}
	return dir, name, err
}
