// SPDX-License-Identifier: MPL-2.0

package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// dirRoot is a root file system in a directory. All names are resolved in it as if
// it were "/", wherever links point.
type dirRoot struct{ dir *os.File }

// OpenRoot opens the directory dir as a root. id names what is in it, such as
// the id of its top layer: another content has another id.
func OpenRoot(dir, id string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open stage: %w", &fs.PathError{Op: "open", Path: dir, Err: err})
	}
	return &Root{&dirRoot{os.NewFile(uintptr(fd), dir)}, id}, nil
}

// Close implements system.
func (r *dirRoot) Close() error { return r.dir.Close() }

// path opens what a name leads to as a place, which touches nothing: a device
// or a pipe would notice being opened for reading.
func (r *dirRoot) path(name string, flags int) (*os.File, node, error) {
	how := unix.OpenHow{
		Flags:   uint64(unix.O_PATH | unix.O_CLOEXEC | flags),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := unix.Openat2(int(r.dir.Fd()), name, &how)
	for range 100 { // a directory has been moved meanwhile
		if err != unix.EAGAIN && err != unix.EINTR {
			break
		}
		fd, err = unix.Openat2(int(r.dir.Fd()), name, &how)
	}
	if err != nil {
		return nil, node{}, r.explain(name, flags, err)
	}
	f := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, node{}, errors.Join(&fs.PathError{Op: "stat", Path: name, Err: err}, f.Close())
	}
	return f, node{dev: st.Dev, ino: st.Ino, mode: st.Mode, size: st.Size, mtime: time.Unix(st.Mtim.Unix())}, nil
}

// explain turns what the kernel says into what it means.
func (r *dirRoot) explain(name string, flags int, err error) error {
	switch {
	case err == unix.ELOOP:
		err = ErrLoop
	case err == unix.EXDEV:
		err = ErrLeadsOut
	case err == unix.ENOENT && flags&unix.O_NOFOLLOW == 0:
		if f, n, e := r.path(name, unix.O_NOFOLLOW); e == nil {
			f.Close()
			if n.mode&unix.S_IFMT == unix.S_IFLNK {
				err = ErrDangling
			}
		}
	}
	return &fs.PathError{Op: "find in the stage", Path: name, Err: err}
}

// stat says what a name leads to.
func (r *dirRoot) stat(name string) (node, error) { return r.look(name, 0) }

// entry says what has a name. What os.ReadDir has found is not asked: it would look below a
// directory that is closed.
func (r *dirRoot) entry(name string, _ fs.DirEntry) (node, error) {
	return r.look(name, unix.O_NOFOLLOW)
}

func (r *dirRoot) look(name string, flags int) (node, error) {
	f, n, err := r.path(name, flags)
	if err != nil {
		return n, err
	}
	return n, f.Close()
}

// open opens a regular file for reading.
func (r *dirRoot) open(name string) (Content, node, error) {
	at, n, err := r.path(name, 0)
	if err != nil {
		return nil, n, err
	}
	defer at.Close()
	if !n.isFile() {
		return nil, n, &fs.PathError{Op: "open in the stage", Path: name, Err: ErrKind}
	}
	f, err := reopen(at, name, unix.O_RDONLY)
	return f, n, err
}

// reopen opens for use what is open as a place: it cannot be something else by
// now.
func reopen(at *os.File, name string, flags int) (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", at.Fd()), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open in the stage", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// list returns what is in a directory, sorted by name.
func (r *dirRoot) list(name string) ([]fs.DirEntry, error) {
	at, n, err := r.path(name, unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if !n.isDir() {
		return nil, &fs.PathError{Op: "list in the stage", Path: name, Err: unix.ENOTDIR}
	}
	// Not through reopen: os.ReadDir looks at what has no type by the name of
	// the directory, which must not be one of the host.
	return os.ReadDir(fmt.Sprintf("/proc/self/fd/%d", at.Fd()))
}
