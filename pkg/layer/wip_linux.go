// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
)

// wip is the work directory of one process. The process holds a lock in it as long as it
// lives; another process that gets the lock may remove the directory.
type wip struct {
	base   string // GraphRoot/carosbuild
	holder string // name of this process, for others
	dir    string
	lock   *os.File
	next   atomic.Int64
	dead   []deadWip
}

// deadWip is the directory of a dead process, locked for removal.
type deadWip struct {
	path string
	lock *os.File
}

func openWip(ctx context.Context, base string, o opening) (*wip, error) {
	if err := os.MkdirAll(filepath.Join(base, "wip"), 0o700); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	w := &wip{base: base, holder: o.holder}
	l, err := o.lock(ctx, filepath.Join(base, "lock"))
	if err == nil {
		_ = l.Truncate(0) // the name of a killed holder; only informs those that wait
		err = errors.Join(w.begin(), l.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	return w, nil
}

// begin makes the directory. The caller is in exclusive.
func (w *wip) begin() error {
	if err := w.sweep(); err != nil {
		return err
	}
	var err error
	if w.dir, err = os.MkdirTemp(filepath.Join(w.base, "wip"), "wip-"); err != nil {
		return err
	}
	if w.lock, err = freshfile.Flock(filepath.Join(w.dir, "lock"), unix.LOCK_EX|unix.LOCK_NB); err == nil {
		_, err = w.lock.WriteString(w.holder)
	}
	return err
}

// exclusive runs f while no other process is in exclusive.
func (w *wip) exclusive(f func() error) error {
	l, err := freshfile.Flock(filepath.Join(w.base, "lock"), unix.LOCK_EX)
	if err != nil {
		return err
	}
	return errors.Join(f(), l.Close())
}

// sweep takes over the directories of dead processes.
func (w *wip) sweep() error {
	dirs, err := os.ReadDir(filepath.Join(w.base, "wip"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		path := filepath.Join(w.base, "wip", d.Name())
		l, err := freshfile.Flock(filepath.Join(path, "lock"), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			continue
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
		w.dead = append(w.dead, deadWip{path, l})
	}
	return nil
}

// bury removes the directories of dead processes.
func (w *wip) bury() error {
	var errs error
	for _, d := range w.dead {
		// Mounts end with their namespace. Those of a process that was killed in this namespace
		// are still there.
		err := snapshot.UnmountBelow(d.path)
		if err == nil {
			err = removeAll(d.path)
		}
		errs = errors.Join(errs, err)
		if d.lock != nil {
			errs = errors.Join(errs, d.lock.Close())
		}
	}
	w.dead = nil
	return errs
}

// alive reports whether the process of that directory name still runs, or its directory
// has not been removed yet.
func (w *wip) alive(name string) bool {
	for _, d := range w.dead {
		if filepath.Base(d.path) == name {
			return false
		}
	}
	_, err := os.Lstat(filepath.Join(w.base, "wip", name))
	return err == nil
}

// pruneStaging removes staging directories that dead processes have left in the overlay
// driver's directory. The driver holds a POSIX lock on staging.lock in a live one; in a new
// directory, that file may not exist yet.
func pruneStaging(dir string) error {
	names, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list staging directories: %w", err)
	}
	for _, n := range names {
		path := filepath.Join(dir, n.Name())
		st, err := os.Lstat(path)
		if err != nil || time.Since(st.ModTime()) < time.Minute {
			continue
		}
		f, err := os.OpenFile(filepath.Join(path, "staging.lock"), os.O_RDWR, 0)
		if err == nil {
			l := unix.Flock_t{Type: unix.F_WRLCK}
			err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l)
			if err != nil {
				f.Close()
				continue
			}
		}
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = removeAll(path)
		}
		if f != nil {
			f.Close()
		}
		if err != nil {
			return fmt.Errorf("remove staging directory: %w", err)
		}
	}
	return nil
}

// removeAll removes a tree that a step may have made: of any depth, and without
// permissions for the owner, which stop all owners but uid 0 of the namespace.
func removeAll(path string) error { return beneath.RemoveAll(path) }

// mkdir makes a new directory in the work directory.
func (w *wip) mkdir() (string, error) {
	dir := filepath.Join(w.dir, strconv.FormatInt(w.next.Add(1), 10))
	return dir, os.Mkdir(dir, 0o700)
}

// scratchFile opens a file without a name.
func (w *wip) scratchFile() (*os.File, error) { return freshfile.Scratch(w.dir) }

func (w *wip) close() error {
	err := snapshot.UnmountBelow(w.dir) // snapshots that were not ended
	if err == nil {
		err = removeAll(w.dir)
	}
	return errors.Join(err, w.lock.Close())
}
