// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/beneath"
	"golang.org/x/sys/unix"
)

// Covered are the mounts of a command in a sandbox that cannot mount: the contents lie in the
// root itself, in place of the mount points.
type Covered struct {
	top    string
	covers []cover
}

// cover is one mount.
type cover struct {
	mount Mount
	place string      // path of the mount point, below the root; without links
	away  string      // path of the mount point meanwhile
	copy  bool        // the contents in the root are a copy of the source
	fd    int         // of the contents in the root, wherever a step moves them
	was   unix.Stat_t // the source
}

// Cover exchanges the existing mount points of a root with the contents of the mounts. A
// source that is writable, not shared and on the same file system is moved into the root;
// otherwise it is copied, with hard links to the files of a shared one. Scratch is a
// directory on the root's file system that the step cannot see; the caller removes it after
// Uncover.
func Cover(root, scratch string, mounts []Mount) (c *Covered, err error) {
	top, err := realPath(root)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	c = &Covered{top: top}
	for i, m := range mounts {
		if err := c.add(m, filepath.Join(scratch, strconv.Itoa(i))); err != nil {
			return nil, errors.Join(fmt.Errorf("%s in place of a mount on %s: %w", m.Source, m.Target, err), c.Uncover())
		}
	}
	return c, nil
}

func (c *Covered) add(m Mount, scratch string) error {
	source, err := filepath.EvalSymlinks(m.Source)
	if err != nil {
		return err
	}
	v := cover{mount: m, away: source}
	v.mount.Source = source
	if v.place, err = c.placeOf(m.Target); err != nil {
		return err
	}
	if err := unix.Stat(source, &v.was); err != nil {
		return err
	}
	at := filepath.Join(c.top, v.place)
	twice := slices.ContainsFunc(c.covers, func(o cover) bool { return o.mount.Source == source })
	if v.copy = m.ReadOnly || m.Shared || twice; !v.copy {
		err = exchange(source, at)
		v.copy = errors.Is(err, unix.EXDEV)
	}
	if v.copy {
		v.away = scratch
		if err = copyTree(source, scratch, m.Shared && !m.ReadOnly); err == nil {
			err = exchange(scratch, at)
		}
	}
	if err != nil {
		return err
	}
	v.fd, err = unix.Open(at, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return errors.Join(err, exchange(v.away, at))
	}
	c.covers = append(c.covers, v)
	return nil
}

// placeOf is the path of a mount on a target, below the root and without links.
func (c *Covered) placeOf(target string) (string, error) {
	dir, err := unix.Open(c.top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	defer unix.Close(dir)
	fd, err := openIn(dir, strings.Trim(filepath.Clean(target), "/"), unix.O_PATH)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return "", err
	}
	place, ok := strings.CutPrefix(real, strings.TrimSuffix(c.top, "/")+"/")
	if !ok {
		return "", fmt.Errorf("%s is not below the root", target)
	}
	return place, nil
}

// exchange swaps two files or directories, and keeps the times of their parents.
func exchange(a, b string) error {
	dirA, err := unix.Open(filepath.Dir(a), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dirA)
	dirB, err := unix.Open(filepath.Dir(b), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dirB)
	return keepTimes(dirA, func() error {
		return keepTimes(dirB, func() error { return swap(dirA, filepath.Base(a), dirB, filepath.Base(b)) })
	})
}

func swap(dirA int, a string, dirB int, b string) error {
	err := unix.Renameat2(dirA, a, dirB, b, unix.RENAME_EXCHANGE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	// The file system or the kernel cannot exchange them.
	third := a + ".carosbuild-exchanged"
	if err := unix.Renameat(dirA, a, dirA, third); err != nil {
		return err
	}
	if err := unix.Renameat(dirB, b, dirA, a); err != nil {
		return errors.Join(err, unix.Renameat(dirA, third, dirA, a))
	}
	if err := unix.Renameat(dirA, third, dirB, b); err != nil {
		return errors.Join(err, unix.Renameat(dirA, a, dirB, b), unix.Renameat(dirA, third, dirA, a))
	}
	return nil
}

// Uncover puts the mount points back once no process of the step is left, and brings changes
// in writable mounts to their sources. If a step has moved the contents, the mount point goes
// along, as with a mount. If it has removed them, the source is empty afterwards.
func (c *Covered) Uncover() error {
	var all []error
	for _, v := range slices.Backward(c.covers) {
		if err := c.uncover(v); err != nil {
			all = append(all, fmt.Errorf("remove %s from %s: %w", v.mount.Source, v.mount.Target, err))
		}
		unix.Close(v.fd)
	}
	c.covers = nil
	return errors.Join(all...)
}

func (c *Covered) uncover(v cover) error {
	at, err := c.find(v)
	if err != nil {
		return err
	}
	if at == "" {
		err = c.removed(v)
	} else {
		err = exchange(v.away, at)
	}
	if err != nil || !v.copy || v.mount.ReadOnly {
		return err
	}
	if v.mount.Shared {
		return mergeTree(v.away, v.mount.Source)
	}
	return replaceTree(v.away, v.mount.Source)
}

// find finds the contents of a mount: what Cover put into the root, wherever it is, or else
// what the step put in its place, if it is of the same kind; "" if there is nothing.
func (c *Covered) find(v cover) (string, error) {
	at := filepath.Join(c.top, v.place)
	var now, then unix.Stat_t
	if err := unix.Fstat(v.fd, &then); err != nil {
		return "", err
	}
	real, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", v.fd))
	if err != nil {
		return "", err
	}
	// Also if another command in this root has covered it again.
	if unix.Lstat(real, &now) == nil && now.Dev == then.Dev && now.Ino == then.Ino {
		return real, nil
	}
	if parent, err := filepath.EvalSymlinks(filepath.Dir(at)); err != nil || parent != filepath.Dir(at) {
		return "", nil // the path leads elsewhere now
	}
	if unix.Lstat(at, &now) == nil && now.Mode&unix.S_IFMT == then.Mode&unix.S_IFMT {
		return at, nil
	}
	return "", nil
}

// removed handles a mount whose contents the step has removed: the mount point is put back,
// if there is still a place for it, and the source is emptied.
func (c *Covered) removed(v cover) error {
	at := filepath.Join(c.top, v.place)
	parent, err := filepath.EvalSymlinks(filepath.Dir(at))
	gone := err != nil || parent != filepath.Dir(at)
	if !gone {
		err = unix.Renameat2(unix.AT_FDCWD, v.away, unix.AT_FDCWD, at, unix.RENAME_NOREPLACE)
	}
	if gone || errors.Is(err, fs.ErrExist) {
		err = beneath.RemoveAll(v.away)
	}
	if err != nil {
		return err
	}
	if v.was.Mode&unix.S_IFMT == unix.S_IFDIR {
		err = os.Mkdir(v.away, 0o700)
	} else {
		err = os.WriteFile(v.away, nil, 0o600)
	}
	if err == nil {
		err = os.Chown(v.away, int(v.was.Uid), int(v.was.Gid))
	}
	if err == nil {
		err = unix.Chmod(v.away, v.was.Mode&0o7777)
	}
	return err
}
