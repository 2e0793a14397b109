// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"

	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"golang.org/x/sys/unix"
)

// Working is the writable snapshot of one step. Exactly one of Commit and
// Discard ends it; Discard after that does nothing.
type Working struct {
	store  *Store
	parent string
	lowers []string // top first
	dir    string
	snap   snapshot.Snapshot
	base   unix.Stat_t // of the parent's root directory
	ended  atomic.Bool
}

// Prepare makes a snapshot of a layer, or of an empty directory if parent is "".
func (s *Store) Prepare(ctx context.Context, parent string) (*Working, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := s.prepare(ctx, parent)
	if err != nil {
		return nil, fmt.Errorf("prepare snapshot of %s: %w", short(parent), err)
	}
	return w, nil
}

func (s *Store) prepare(ctx context.Context, parent string) (*Working, error) {
	lowers, err := s.lowers(parent)
	if err != nil {
		return nil, err
	}
	w := &Working{store: s, parent: parent, lowers: lowers}
	if len(lowers) > 0 {
		if w.base, err = s.owners.Stat(unix.AT_FDCWD, lowers[0]); err != nil {
			return nil, fmt.Errorf("read the parent's root: %w", err)
		}
	}
	if w.dir, err = s.wip.mkdir(); err != nil {
		return nil, err
	}
	if w.snap, err = s.driver.Prepare(ctx, w.dir, lowers); err != nil {
		return nil, errors.Join(err, removeAll(w.dir))
	}
	return w, nil
}

// Root is the directory that holds the snapshot's files.
func (w *Working) Root() string { return w.snap.Root() }

// changes is the directory with the changes to the parent, once the snapshot has ended.
func (w *Working) changes() string { return filepath.Join(w.dir, snapshot.ChangesDir) }

// Revert restores a path to what it is in the layer below. A directory that is not empty
// stays as it is. All parents of the path must be directories, not links.
func (w *Working) Revert(name string) error {
	if err := w.snap.Revert(cleanName(name)); err != nil {
		return fmt.Errorf("revert %s: %w", name, err)
	}
	return nil
}

// Parent is the layer below, "" for none.
func (w *Working) Parent() string { return w.parent }

// Discard removes the snapshot, its files in the background.
func (w *Working) Discard() error {
	if !w.ended.CompareAndSwap(false, true) {
		return nil
	}
	if err := w.snap.End(); err != nil {
		return fmt.Errorf("discard snapshot: %w", err) // never remove through a mount
	}
	w.remove()
	return nil
}

// remove removes the files of an unmounted snapshot.
func (w *Working) remove() {
	w.store.background(func() { w.store.fail(removeAll(w.dir)) })
}

// View shows a chain of layers, read-only where mounts are possible and otherwise as a
// copy. Release ends it; open files stay usable. Device nodes are missing, see Devices.
func (s *Store) View(ctx context.Context, id string) (root string, release func() error, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	lowers, err := s.lowers(id)
	if err != nil {
		return "", nil, fmt.Errorf("view of %s: %w", short(id), err)
	}
	root, end, err := s.view(ctx, id, lowers)
	if err != nil {
		return "", nil, fmt.Errorf("view of %s: %w", short(id), err)
	}
	var released atomic.Bool
	return root, func() error {
		if !released.CompareAndSwap(false, true) {
			return nil
		}
		return end()
	}, nil
}

func (s *Store) view(ctx context.Context, id string, lowers []string) (string, func() error, error) {
	dir, err := s.wip.mkdir()
	if err != nil {
		return "", nil, err
	}
	if len(lowers) == 0 {
		return dir, func() error { return os.Remove(dir) }, nil
	}
	return s.driver.View(ctx, dir, id, lowers)
}

// short is a layer id for messages.
func short(id string) string {
	switch {
	case id == "":
		return "scratch"
	case len(id) > 12:
		return id[:12]
	}
	return id
}

// cleanName is a path below a root, without a leading slash; "." is the root.
func cleanName(name string) string {
	if rel := strings.TrimPrefix(path.Clean("/"+name), "/"); rel != "" {
		return rel
	}
	return "."
}
