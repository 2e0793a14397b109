// SPDX-License-Identifier: MPL-2.0

package delta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
)

// ApplyOptions say what can be applied to a directory.
type ApplyOptions struct {
	// Owner sets a file's owner, as unix.Fchownat does without following links. nil: all
	// files belong to this process, and none is setuid or setgid.
	Owner func(dir int, name string, uid, gid uint32) error
	// Metadata, unless nil, takes all metadata instead: owners, modes, all extended attributes
	// and device nodes.
	Metadata owner.Policy
	// Staging is a directory to which contents are copied before anything is changed, for
	// contents that are read from the changed directory itself; "": they are not copied.
	Staging string
}

// Apply applies changes to a directory, as far as an ordinary user can: without Metadata,
// devices and extended attributes other than user.* are left out. Nothing outside is touched,
// whatever links there are.
func Apply(ctx context.Context, dir string, changes []Change, o ApplyOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	a := &applier{ApplyOptions: o, root: root}
	if o.Staging != "" {
		if a.staged, err = os.MkdirTemp(o.Staging, "staged-"); err != nil {
			return err
		}
		defer os.RemoveAll(a.staged)
		if err := a.stage(ctx, changes); err != nil {
			return err
		}
	}
	for i, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.at = i
		if err := a.change(c); err != nil {
			return fmt.Errorf("write back /%s: %w", c.Path, err)
		}
	}
	for i := len(changes) - 1; i >= 0; i-- { // directories, when nothing in them changes any more
		c := changes[i]
		if c.Removed || c.Entry.Hardlink != "" || c.Entry.Type() != tree.Dir {
			continue
		}
		if err := a.finish(c.Entry); err != nil {
			return fmt.Errorf("write back /%s: %w", c.Path, err)
		}
	}
	return nil
}

// ApplyFile applies one change that is not a directory, as Apply does.
func ApplyFile(dir string, c Change, o ApplyOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return (&applier{ApplyOptions: o, root: root}).change(c)
}

type applier struct {
	ApplyOptions
	root   *os.Root
	staged string // directory of contents, by the number of their change; "": contents are not staged
	at     int    // number of the current change
}

func (a *applier) stagedFile(i int) string { return filepath.Join(a.staged, strconv.Itoa(i)) }

// stage writes the contents of all files to the staging directory.
func (a *applier) stage(ctx context.Context, changes []Change) error {
	for i, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.Removed || c.Entry.Hardlink != "" || c.Entry.Type() != tree.Regular {
			continue
		}
		f, err := os.OpenFile(a.stagedFile(i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			err = errors.Join(fill(f, c.Entry), f.Close())
		}
		if err != nil {
			return fmt.Errorf("read /%s: %w", c.Path, err)
		}
	}
	return nil
}

// fill writes a file's content, with its holes.
func fill(f *os.File, e *tree.Entry) error {
	for _, r := range e.Ranges() {
		if _, err := f.Seek(r.Off, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.Copy(f, io.NewSectionReader(e.Content, r.Off, r.Len)); err != nil {
			return err
		}
	}
	return f.Truncate(e.Size)
}

func (a *applier) change(c Change) error {
	name := c.Path
	if name == "" {
		return nil
	}
	if c.Removed {
		return a.root.RemoveAll(name)
	}
	e := c.Entry
	st, err := a.root.Lstat(name)
	there := err == nil
	if e.Hardlink == "" && e.Type() == tree.Dir {
		if there && st.IsDir() {
			return a.root.Chmod(name, 0o700|os.FileMode(e.Mode&0o777)) // accessible meanwhile
		}
		if there {
			if err := a.root.Remove(name); err != nil {
				return err
			}
		}
		return a.root.Mkdir(name, 0o700)
	}
	if there {
		if err := a.root.RemoveAll(name); err != nil {
			return err
		}
	}
	if e.Hardlink != "" {
		return a.root.Link(e.Hardlink, name)
	}
	return a.make(e)
}

// make makes a file that is not a directory.
func (a *applier) make(e *tree.Entry) error {
	switch e.Type() {
	case tree.Regular:
		if err := a.file(e); err != nil {
			return err
		}
	case tree.Symlink:
		if err := a.root.Symlink(e.Link, e.Path); err != nil {
			return err
		}
	case tree.FIFO:
		err := a.in(e, func(dir int, base string) error { return unix.Mknodat(dir, base, unix.S_IFIFO|0o600, 0) })
		if err != nil {
			return err
		}
	case tree.Char, tree.Block:
		if a.Metadata == nil {
			return nil
		}
		rdev := unix.Mkdev(e.Rdev.Major, e.Rdev.Minor)
		if err := a.in(e, func(dir int, base string) error { return a.Metadata.Mknod(dir, base, e.Mode, rdev) }); err != nil {
			return err
		}
	default:
		return nil
	}
	return a.finish(e)
}

// file makes a file with its content.
func (a *applier) file(e *tree.Entry) error {
	if a.staged != "" {
		err := a.in(e, func(dir int, base string) error { return unix.Renameat(unix.AT_FDCWD, a.stagedFile(a.at), dir, base) })
		if err == nil || err != unix.EXDEV {
			return errors.Join(err, a.userXattrs(e))
		}
	}
	f, err := a.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if a.staged == "" {
		err = fill(f, e)
	} else {
		err = a.copyStaged(f)
	}
	return errors.Join(err, f.Close(), a.userXattrs(e))
}

// copyStaged copies a staged content.
func (a *applier) copyStaged(f *os.File) error {
	from, err := os.Open(a.stagedFile(a.at))
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = io.Copy(f, from)
	return err
}

// userXattrs sets the attributes of a file that an ordinary user can set.
func (a *applier) userXattrs(e *tree.Entry) error {
	if a.Metadata != nil || len(e.Xattrs) == 0 {
		return nil
	}
	f, err := a.root.Open(e.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	return xattrs(int(f.Fd()), e)
}

func xattrs(fd int, e *tree.Entry) error {
	for name, value := range e.EachXattr() {
		if !strings.HasPrefix(name, "user.") {
			continue
		}
		if err := unix.Fsetxattr(fd, name, value, 0); err != nil && err != unix.EOPNOTSUPP {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}

// in calls f with the open directory of an entry, and its name there.
func (a *applier) in(e *tree.Entry, f func(dir int, base string) error) error {
	dir, err := a.root.Open(path.Dir(e.Path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(int(dir.Fd()), path.Base(e.Path))
}

// finish sets a file's owner, mode and time.
func (a *applier) finish(e *tree.Entry) error {
	if a.Metadata != nil {
		return a.in(e, func(dir int, base string) error { return a.Metadata.Set(dir, base, metaOf(e)) })
	}
	if a.Owner != nil {
		if err := a.in(e, func(dir int, base string) error { return a.Owner(dir, base, e.UID, e.GID) }); err != nil {
			return err
		}
	}
	at := time.Unix(e.Mtime, int64(e.MtimeNsec))
	if e.Type() == tree.Symlink {
		return a.in(e, func(dir int, base string) error {
			ts := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: e.Mtime, Nsec: int64(e.MtimeNsec)}}
			return unix.UtimesNanoAt(dir, base, ts, unix.AT_SYMLINK_NOFOLLOW)
		})
	}
	name := e.Path
	if name == "" {
		name = "."
	}
	mode := os.FileMode(e.Mode & 0o777)
	for bit, m := range map[uint32]os.FileMode{0o4000: os.ModeSetuid, 0o2000: os.ModeSetgid, 0o1000: os.ModeSticky} {
		if e.Mode&bit != 0 && (a.Owner != nil || m == os.ModeSticky) {
			mode |= m
		}
	}
	if err := a.root.Chtimes(name, time.Time{}, at); err != nil {
		return err
	}
	return a.root.Chmod(name, mode)
}

// metaOf is the metadata of an entry.
func metaOf(e *tree.Entry) owner.Meta {
	m := owner.Meta{
		UID: int(e.UID), GID: int(e.GID), Mode: e.Mode, Exact: true,
		Times: []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: e.Mtime, Nsec: int64(e.MtimeNsec)}},
	}
	for name, value := range e.EachXattr() {
		if m.Xattrs == nil {
			m.Xattrs = map[string][]byte{}
		}
		m.Xattrs[name] = value
	}
	return m
}
