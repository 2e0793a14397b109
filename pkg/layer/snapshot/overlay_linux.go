// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// overlaySnapshot is an overlay mount. Without layers below, it is plain: its root is its
// changes.
type overlaySnapshot struct {
	dir   string
	plain bool
}

// Prepare implements Driver. The upper directory gets the metadata of the topmost root
// directory, since it becomes the root directory of the snapshot.
func (o overlay) Prepare(_ context.Context, dir string, lowers []string) (Snapshot, error) {
	s := &overlaySnapshot{dir, len(lowers) == 0}
	if err := os.Mkdir(s.upper(), 0o755); err != nil {
		return nil, err
	}
	if len(lowers) == 0 {
		err := os.Chmod(s.upper(), 0o755) // whatever the umask
		if err == nil {
			err = os.Mkdir(s.Root(), 0o700)
		}
		if err != nil {
			return nil, err
		}
		return s, bindForSteps(s.upper(), s.Root())
	}
	var st unix.Stat_t
	if err := unix.Stat(lowers[0], &st); err != nil {
		return nil, fmt.Errorf("read the parent's root: %w", err)
	}
	if err := os.Chown(s.upper(), int(st.Uid), int(st.Gid)); err != nil {
		return nil, err
	}
	if err := unix.Chmod(s.upper(), st.Mode&0o7777); err != nil {
		return nil, err
	}
	work := filepath.Join(dir, "work")
	for _, d := range []string{work, s.Root()} {
		if err := os.Mkdir(d, 0o700); err != nil {
			return nil, err
		}
	}
	return s, o.mount(lowers, s.upper(), work, s.Root())
}

// View implements Driver.
func (o overlay) View(_ context.Context, dir, _ string, lowers []string) (string, func() error, error) {
	if err := o.mount(lowers, "", "", dir); err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	return dir, func() error {
		if err := detach(dir); err != nil {
			return err
		}
		return os.Remove(dir)
	}, nil
}

func (s *overlaySnapshot) Root() string  { return filepath.Join(s.dir, "merged") }
func (s *overlaySnapshot) upper() string { return filepath.Join(s.dir, ChangesDir) }
func (s *overlaySnapshot) End() error    { return detach(s.Root()) }

// Changes finds the changes in the upper directory. A plain one may have attributes that no
// layer may have, which it removes.
func (s *overlaySnapshot) Changes(context.Context, *int64) error {
	if !s.plain {
		return nil
	}
	return archive.Strip(s.upper())
}

// Revert removes a name from the changes; the mount may show that later.
func (s *overlaySnapshot) Revert(name string) error {
	dir, err := openPlain(s.upper(), path.Dir(name))
	if err == unix.ENOENT { // nothing was changed there
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return removeFrom(dir, path.Base(name))
}

// openPlain opens a directory below another without following links.
func openPlain(root, name string) (int, error) {
	fd, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(fd)
	return unix.Openat2(fd, name, &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
	})
}

// removeFrom removes a name from a directory, unless it is a directory that is not empty,
// and keeps the directory's times.
func removeFrom(dir int, name string) error {
	return keepingTimes(dir, func() error {
		err := unix.Unlinkat(dir, name, 0)
		if err == unix.EISDIR || err == unix.EPERM {
			err = unix.Unlinkat(dir, name, unix.AT_REMOVEDIR)
		}
		switch err {
		case unix.ENOENT, unix.ENOTEMPTY, unix.EEXIST:
			return nil
		}
		return err
	})
}

// keepingTimes calls f and then restores the directory's times.
func keepingTimes(dir int, f func() error) error {
	var st unix.Stat_t
	if err := unix.Fstat(dir, &st); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", dir), []unix.Timespec{st.Atim, st.Mtim}, 0)
}
