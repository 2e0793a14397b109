// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/owner"
	"golang.org/x/sys/unix"
)

// fakeSnapshot is a root of FakeSnapshots.
type fakeSnapshot struct {
	of    *FakeSnapshots
	below string
	root  string
	ended bool
}

func (w *fakeSnapshot) Root() string { return w.root }

// Revert implements engine.Snapshot.
func (w *fakeSnapshot) Revert(name string) error {
	name = path.Join(".", path.Clean("/"+name))
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if st, err := os.Lstat(filepath.Join(w.root, dir)); err == nil && st.Mode()&os.ModeSymlink != 0 {
			return fmt.Errorf("revert %s: %w", name, unix.ELOOP)
		}
	}
	now := filepath.Join(w.root, name)
	before := filepath.Join(w.root, "..", "none")
	if w.below != "" {
		before = filepath.Join(w.of.LayerDir(w.below), name)
	}
	old, oldErr := os.Lstat(before)
	if st, err := os.Lstat(now); err == nil && st.IsDir() {
		if oldErr == nil && old.IsDir() {
			return w.revertDir(before, now)
		}
		if err := os.Remove(now); err != nil && !errors.Is(err, unix.ENOTEMPTY) {
			return err
		} else if err != nil {
			return nil
		}
	} else if err == nil {
		if err := os.Remove(now); err != nil {
			return err
		}
	}
	if oldErr != nil {
		return nil
	}
	return copyTree(before, now)
}

// revertDir restores a directory's mode if nothing in it was changed.
func (w *fakeSnapshot) revertDir(before, now string) error {
	same, err := equalTrees(before, now)
	if err != nil || !same {
		return err
	}
	return sameMeta(before, now)
}

// equalTrees compares what is in two directories.
func equalTrees(a, b string) (bool, error) {
	x, err := prints(a)
	if err != nil {
		return false, err
	}
	y, err := prints(b)
	delete(x, ".")
	delete(y, ".")
	return maps.Equal(x, y), err
}

// Owners implements engine.Snapshot.
func (w *fakeSnapshot) Owners() owner.Policy { return fakeOwners{of: w.of} }

// fakeOwners record owners, and otherwise do what the kernel does.
type fakeOwners struct {
	owner.Kernel
	of *FakeSnapshots
}

// Set implements owner.Policy.
func (o fakeOwners) Set(dir int, name string, m owner.Meta) error {
	if err := o.Chown(dir, name, m.UID, m.GID); err != nil {
		return err
	}
	m.UID, m.GID = os.Getuid(), os.Getgid()
	return o.Kernel.Set(dir, name, m)
}

// Chown implements owner.Policy: it checks that the file exists.
func (o fakeOwners) Chown(dir int, name string, uid, gid int) error {
	if _, err := o.Stat(dir, name); err != nil {
		return err
	}
	o.of.mu.Lock()
	defer o.of.mu.Unlock()
	o.of.owners = append(o.of.owners, fmt.Sprintf("%s %d:%d", filepath.Base(name), uid, gid))
	return nil
}

// Commit implements engine.Snapshot.
func (w *fakeSnapshot) Commit(ctx context.Context, clamp *int64) (string, bool, error) {
	if w.ended {
		return "", false, errors.New("commit: the snapshot has ended already")
	}
	if err := ctx.Err(); err != nil {
		return "", false, err
	}
	all, err := prints(w.root)
	if err != nil {
		return "", false, err
	}
	before := map[string]string{".": os.FileMode(os.ModeDir|0o755).String() + " "}
	if w.below != "" {
		if before, err = prints(w.of.LayerDir(w.below)); err != nil {
			return "", false, err
		}
	}
	if maps.Equal(all, before) {
		return w.below, false, w.Discard()
	}
	if clamp != nil {
		if err := clampTimes(w.root, *clamp); err != nil {
			return "", false, err
		}
	}
	id, err := w.of.store(w.root, all)
	if err != nil {
		return "", false, err
	}
	return id, true, w.Discard()
}

// Discard implements engine.Snapshot.
func (w *fakeSnapshot) Discard() error {
	if w.ended {
		return nil
	}
	w.ended = true
	w.of.count(-1)
	return os.RemoveAll(w.root)
}
