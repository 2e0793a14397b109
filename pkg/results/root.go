// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package results finds the files of a stage that people want to have:
// artifacts, package feeds, logs of bitbake. It opens them without ever leaving
// the stage, and writes them into a directory without ever leaving that. What a
// stage is and how it comes to be mounted, it does not know.
package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

// Root is the root directory of a stage. All names are resolved in it as if it
// were "/", whatever links say. Its methods may be called concurrently.
type Root struct {
	dir *os.File
	id  string
}

// OpenRoot opens the directory dir as a root. id names what is in it, such as
// the id of its top layer: another content has another id.
func OpenRoot(dir, id string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open stage: %w", &fs.PathError{Op: "open", Path: dir, Err: err})
	}
	return &Root{os.NewFile(uintptr(fd), dir), id}, nil
}

// Close ends the use of the root.
func (r *Root) Close() error { return r.dir.Close() }

// Why a name of a stage cannot be had.
var (
	ErrLoop     = errors.New("its links lead in a circle")
	ErrDangling = errors.New("it is a link to what the stage does not have")
	ErrLeadsOut = errors.New("it leads out of the stage")
	ErrKind     = errors.New("it is no regular file")
	ErrChanged  = errors.New("it is not what it was")
)

// node is what a name leads to.
type node struct {
	dev, ino uint64
	mode     uint32
	size     int64
	mtime    time.Time
}

func (n node) isFile() bool { return n.mode&unix.S_IFMT == unix.S_IFREG }
func (n node) isDir() bool  { return n.mode&unix.S_IFMT == unix.S_IFDIR }

// path opens what a name leads to as a place, which touches nothing: a device
// or a pipe would notice being opened for reading.
func (r *Root) path(name string, flags int) (*os.File, node, error) {
	how := unix.OpenHow{
		Flags:   uint64(unix.O_PATH | unix.O_CLOEXEC | flags),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	fd, err := unix.Openat2(int(r.dir.Fd()), name, &how)
	for range 100 { // somebody has moved a directory meanwhile
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
	return f, node{st.Dev, st.Ino, st.Mode, st.Size, time.Unix(st.Mtim.Unix())}, nil
}

// explain turns what the kernel says into what it means.
func (r *Root) explain(name string, flags int, err error) error {
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
func (r *Root) stat(name string) (node, error) {
	f, n, err := r.path(name, 0)
	if err != nil {
		return n, err
	}
	return n, f.Close()
}

// Open opens what a name leads to, which must be a regular file.
func (r *Root) Open(name string) (*os.File, error) {
	f, _, err := r.open(name)
	return f, err
}

// open opens a regular file for reading.
func (r *Root) open(name string) (*os.File, node, error) {
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

// OpenFile opens a regular file of the host for reading, and nothing that a
// link leads to.
func OpenFile(name string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrKind}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// list returns what is in a directory, sorted by name.
func (r *Root) list(name string) ([]fs.DirEntry, error) {
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

// isDir reports whether a name leads to a directory.
func (r *Root) isDir(name string) bool {
	n, err := r.stat(name)
	return err == nil && n.isDir()
}

// glob returns the paths that match a pattern of path.Match, in order. The
// part before the first special character is looked up, links included; in
// the rest, directories must be directories.
func (r *Root) glob(pattern string) ([]string, error) {
	pattern = path.Clean("/" + pattern)
	dir, rest := fixed(pattern)
	if len(rest) == 0 {
		_, err := r.stat(pattern)
		return []string{pattern}, err
	}
	out, err := r.match(dir, rest)
	if err == nil && len(out) == 0 {
		err = &fs.PathError{Op: "match in the stage", Path: pattern, Err: fs.ErrNotExist}
	}
	return out, err
}
