// SPDX-License-Identifier: MPL-2.0

package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
)

// parent opens the directory dir, a path as the stream names it, and makes it if it is
// missing. It returns its real path below the root as well: symbolic links of the layer
// are followed, but never outside. The descriptor is valid until the next call. A new
// directory gets its time from the member h.
func (x *extractor) parent(dir string, h *tar.Header) (fd int, rel string, err error) {
	if x.lastFD >= 0 && x.lastDir == dir && !x.stale {
		return x.lastFD, x.lastRel, nil
	}
	fd, rel, err = x.openDir(dir)
	if err == unix.ENOENT || err == unix.ENOTDIR {
		fd, rel, err = x.makeDirs(dir, h)
	}
	if err != nil {
		return -1, "", fmt.Errorf("directory %q: %w", dir, err)
	}
	x.forgetParent()
	x.lastDir, x.lastFD, x.lastRel = dir, fd, rel
	return fd, rel, nil
}

func (x *extractor) forgetParent() {
	if x.lastFD >= 0 {
		unix.Close(x.lastFD)
	}
	x.lastFD, x.stale = -1, false
}

// openDir opens an existing directory.
func (x *extractor) openDir(dir string) (int, string, error) {
	fd, err := beneath.Open(x.rootf, dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != unix.ELOOP {
		return fd, dir, err
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	if fd, err = unix.Openat2(x.rootf, dir, &how); err != nil {
		return -1, "", err
	}
	rel, err := x.realPath(fd)
	if err != nil {
		unix.Close(fd)
		return -1, "", err
	}
	return fd, rel, nil
}

// realPath is the path of an open directory below the root.
func (x *extractor) realPath(fd int) (string, error) {
	root, err := os.Readlink(fdPath(x.rootf))
	if err != nil {
		return "", err
	}
	full, err := os.Readlink(fdPath(fd))
	if err != nil {
		return "", err
	}
	if full == root {
		return "", nil
	}
	rel, ok := strings.CutPrefix(full, root+"/")
	if !ok {
		return "", errors.New("outside of the layer")
	}
	return rel, nil
}

// makeDirs makes a directory and its parents. A directory that the layers below have
// gets the metadata that it has there, since the stream does not change it.
func (x *extractor) makeDirs(dir string, h *tar.Header) (int, string, error) {
	at, rel := x.rootf, ""
	for _, name := range strings.Split(dir, "/") {
		next, real, err := x.step(at, rel, name, h)
		if at != x.rootf {
			unix.Close(at)
		}
		if err != nil {
			return -1, "", err
		}
		at, rel = next, real
	}
	return at, rel, nil
}

// step enters one directory, or makes it.
func (x *extractor) step(at int, rel, name string, h *tar.Header) (int, string, error) {
	full := path.Join(rel, name)
	fd, real, err := x.openDir(full)
	if err == nil {
		return fd, real, nil
	}
	var st unix.Stat_t
	serr := unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case serr == unix.ENOENT:
	case serr != nil:
		return -1, "", serr
	case st.Mode&unix.S_IFMT == unix.S_IFLNK:
		return -1, "", fmt.Errorf("%q is a symbolic link that leads nowhere: %w", full, err)
	default:
		return -1, "", fmt.Errorf("%q is not a directory", full)
	}
	if err := unix.Mkdirat(at, name, 0o700); err != nil {
		return -1, "", err
	}
	if err := x.implicit(full, h); err != nil {
		return -1, "", err
	}
	fd, err = unix.Openat(at, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	return fd, full, err
}

// implicit notes the metadata for a directory without a member of its own.
func (x *extractor) implicit(rel string, h *tar.Header) error {
	made := &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(0, 0)}
	if h != nil {
		made.ModTime = h.ModTime
	}
	fd, st, ok, err := lowers(x.Lowers).directory(rel, x.Format)
	if err != nil {
		return err
	}
	if ok {
		defer unix.Close(fd)
		xattrs, _, err := Xattrs(fd, "", &st, x.Format, x.buf)
		if err != nil {
			return fmt.Errorf("read %q in the layers below: %w", rel, err)
		}
		made.Mode, made.Uid, made.Gid = int64(st.Mode&0o7777), int(st.Uid), int(st.Gid)
		made.ModTime, made.PAXRecords = mtime(&st), xattrs
	}
	x.dirs[rel] = made
	return nil
}
