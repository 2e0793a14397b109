// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Working is the writable snapshot of one step. Exactly one of Commit and
// Discard ends it; Discard after that does nothing.
type Working struct {
	store  *Store
	parent string
	lowers []string // top first
	dir    string
	root   string
	base   unix.Stat_t // of the parent's root directory
	ended  atomic.Bool
}

// Prepare makes a snapshot of a layer. Without a parent it is an empty
// directory.
func (s *Store) Prepare(ctx context.Context, parent string) (*Working, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := s.prepare(parent)
	if err != nil {
		return nil, fmt.Errorf("prepare snapshot of %s: %w", short(parent), err)
	}
	return w, nil
}

func (s *Store) prepare(parent string) (*Working, error) {
	lowers, err := s.lowers(parent)
	if err != nil {
		return nil, err
	}
	dir, err := s.wip.mkdir()
	if err != nil {
		return nil, err
	}
	w := &Working{store: s, parent: parent, lowers: lowers, dir: dir, root: filepath.Join(dir, "merged")}
	if err := w.setUp(); err != nil {
		return nil, errors.Join(err, removeAll(dir))
	}
	return w, nil
}

// setUp makes the directories; the upper one looks like the parent's root
// directory, for it becomes the root directory of the snapshot.
func (w *Working) setUp() error {
	if err := os.Mkdir(w.changes(), 0o755); err != nil {
		return err
	}
	if len(w.lowers) == 0 {
		err := os.Chmod(w.changes(), 0o755) // whatever the umask
		if err == nil {
			err = os.Mkdir(w.root, 0o700)
		}
		if err != nil {
			return err
		}
		return bindForSteps(w.changes(), w.root)
	}
	if err := unix.Stat(w.lowers[0], &w.base); err != nil {
		return fmt.Errorf("look at the parent's root: %w", err)
	}
	if err := os.Chown(w.changes(), int(w.base.Uid), int(w.base.Gid)); err != nil {
		return err
	}
	if err := unix.Chmod(w.changes(), w.base.Mode&0o7777); err != nil {
		return err
	}
	work := filepath.Join(w.dir, "work")
	for _, d := range []string{work, w.root} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return err
		}
	}
	return w.store.ovl.mount(w.lowers, w.changes(), work, w.root)
}

// Root is the directory that holds the snapshot's files.
func (w *Working) Root() string { return w.root }

// changes is the directory that holds what differs from the parent.
func (w *Working) changes() string { return filepath.Join(w.dir, "upper") }

// Revert has a path be as it is in the layer below. Of a directory that is not
// empty everything stays. The names before the last are directories, no links.
func (w *Working) Revert(name string) error {
	fd, err := unix.Open(w.changes(), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("revert %s: %w", name, err)
	}
	defer unix.Close(fd)
	name = path.Join(".", path.Clean("/"+name))
	dir, err := unix.Openat2(fd, path.Dir(name), &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
	if err == unix.ENOENT { // nothing was changed there
		return nil
	}
	if err != nil {
		return fmt.Errorf("revert %s: %w", name, err)
	}
	defer unix.Close(dir)
	if err := revertIn(dir, path.Base(name)); err != nil {
		return fmt.Errorf("revert %s: %w", name, err)
	}
	return nil
}

// revertIn removes a name from a directory of changes, which keeps its times.
func revertIn(dir int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return err
	}
	err := unix.Unlinkat(dir, name, 0)
	if err == unix.EISDIR || err == unix.EPERM {
		err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
	}
	switch err {
	case nil:
		return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", dir), []unix.Timespec{st.Atim, st.Mtim}, 0)
	case unix.ENOENT, unix.ENOTEMPTY, unix.EEXIST:
		return nil
	}
	return err
}

// Parent is the layer below, "" for none.
func (w *Working) Parent() string { return w.parent }

// Discard removes the snapshot. Files are removed in the background.
func (w *Working) Discard() error {
	if !w.ended.CompareAndSwap(false, true) {
		return nil
	}
	if err := w.unmount(); err != nil {
		return fmt.Errorf("discard snapshot: %w", err) // never remove through a mount
	}
	w.remove()
	return nil
}

// unmount ends what others see of the snapshot. It comes before the upper
// directory moves into the store, for whoever writes to the mount after that
// would write into the layer.
func (w *Working) unmount() error {
	return detach(w.root)
}

// remove removes what is left of an unmounted snapshot.
func (w *Working) remove() {
	w.store.background(func() { w.store.fail(removeAll(w.dir)) })
}

// View mounts a chain of layers read-only. Release unmounts it; what still
// has files open there keeps them. Device nodes are absent, see Devices.
func (s *Store) View(ctx context.Context, id string) (root string, release func() error, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	lowers, err := s.lowers(id)
	if err != nil {
		return "", nil, fmt.Errorf("view of %s: %w", short(id), err)
	}
	dir, err := s.wip.mkdir()
	if err != nil {
		return "", nil, fmt.Errorf("view of %s: %w", short(id), err)
	}
	if len(lowers) > 0 {
		if err := s.ovl.mount(lowers, "", "", dir); err != nil {
			return "", nil, errors.Join(fmt.Errorf("view of %s: %w", short(id), err), os.Remove(dir))
		}
	}
	var released atomic.Bool
	return dir, func() error {
		if !released.CompareAndSwap(false, true) {
			return nil
		}
		if len(lowers) > 0 {
			if err := detach(dir); err != nil {
				return err
			}
		}
		return os.Remove(dir)
	}, nil
}

// short is a layer id as messages show it.
func short(id string) string {
	switch {
	case id == "":
		return "scratch"
	case len(id) > 12:
		return id[:12]
	}
	return id
}
