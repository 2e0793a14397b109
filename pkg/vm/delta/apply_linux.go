// SPDX-License-Identifier: MPL-2.0

package delta

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
)

// ApplyOptions say what a directory can take.
type ApplyOptions struct {
	// Owner gives a file its owner, as unix.Fchownat does without following links. nil:
	// all belongs to this process, and nothing is setuid or setgid.
	Owner func(dir int, name string, uid, gid uint32) error
	// Metadata, unless it is nil, takes all metadata instead: owners, modes, all extended
	// attributes and device nodes.
	Metadata owner.Policy
}

// Apply makes a directory what changes say: as an ordinary user can, with devices, and
// extended attributes other than user.*, left out unless there is Metadata. Nothing outside is touched, whatever
// links there are.
func Apply(ctx context.Context, dir string, changes []Change, o ApplyOptions) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	a := &applier{ApplyOptions: o, root: root}
	for _, c := range changes {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.change(c); err != nil {
			return fmt.Errorf("write back /%s: %w", c.Path, err)
		}
	}
	for i := len(changes) - 1; i >= 0; i-- { // when nothing in them changes any more
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

// ApplyFile makes what a change says that is not a directory, as Apply does.
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
	root *os.Root
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
			return a.root.Chmod(name, 0o700|os.FileMode(e.Mode&0o777)) // to work in it
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

// make makes what is not a directory.
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

// file writes a file's content, with its holes.
func (a *applier) file(e *tree.Entry) error {
	f, err := a.root.OpenFile(e.Path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	for _, r := range e.Ranges() {
		if _, err = f.Seek(r.Off, io.SeekStart); err == nil {
			_, err = io.Copy(f, io.NewSectionReader(e.Content, r.Off, r.Len))
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		err = f.Truncate(e.Size)
	}
	if err == nil && a.Metadata == nil {
		err = xattrs(int(f.Fd()), e)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
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

// finish gives a file its owner, mode and time.
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
		UID: int(e.UID), GID: int(e.GID), Mode: e.Mode,
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
