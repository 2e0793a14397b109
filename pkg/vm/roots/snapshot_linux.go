// SPDX-License-Identifier: MPL-2.0

package roots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/vm/delta"
)

// Snapshot is a root that steps change, see engine.Snapshot.
type Snapshot struct {
	*copied
	below  string
	revert map[string]bool // paths that count as unchanged in Commit
	ended  bool
}

// Root is the directory.
func (w *Snapshot) Root() string { return w.root }

// Owners sets and reads owners, modes and attributes of files in the root.
func (w *Snapshot) Owners() owner.Policy { return w.table }

// Commit makes a layer of the changes; no time in it is later than clamp, in seconds since
// 1970, nil for no bound. If nothing was changed, it returns the layer below and false.
func (w *Snapshot) Commit(ctx context.Context, clamp *int64) (layer string, changed bool, err error) {
	if w.ended {
		return "", false, os.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return "", false, err
	}
	after, done, err := Read(ctx, w.root, w.table)
	if err != nil {
		return "", false, fmt.Errorf("commit: %w", err)
	}
	changes, err := delta.Find(ctx, w.before, after, delta.Options{Revert: w.revert})
	if err == nil && len(changes) == 0 {
		return w.below, false, errors.Join(done(), w.Discard())
	}
	if err == nil && w.below == "" && changes[0].Path != "" { // the lowest layer describes the root directory
		changes = append([]delta.Change{{Entry: &after.Entries[0]}}, changes...)
	}
	if err == nil {
		layer, err = w.of.Layers.Put(ctx, w.below, func(to io.Writer) error {
			return delta.WriteTar(ctx, to, changes, delta.TarOptions{Clamp: clamp})
		})
	}
	if err = errors.Join(err, done()); err != nil {
		return "", false, fmt.Errorf("commit: %w", err)
	}
	return layer, true, w.Discard()
}

// Discard removes the snapshot. It is idempotent, and does nothing after Commit.
func (w *Snapshot) Discard() error {
	if w.ended {
		return nil
	}
	w.ended = true
	return w.end()
}

// Revert restores a path to what it is in the layer below, or removes it if it does not exist
// there. A directory is restored only if nothing in it was changed.
func (w *Snapshot) Revert(name string) error {
	if w.ended {
		return os.ErrClosed
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" {
		return nil
	}
	if err := w.revertOne(name); err != nil {
		return fmt.Errorf("revert /%s: %w", name, err)
	}
	return nil
}

func (w *Snapshot) revertOne(name string) error {
	root, err := os.OpenRoot(w.root)
	if err != nil {
		return err
	}
	defer root.Close()
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		st, err := root.Lstat(dir)
		if err == nil && st.Mode()&os.ModeSymlink != 0 {
			return fmt.Errorf("/%s is a link", dir)
		}
	}
	parent, err := root.Lstat(path.Dir(name))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	if !parent.IsDir() {
		return nil
	}
	was, linked := w.was(name)
	if was != nil && (was.Type() == tree.Dir || linked) {
		w.revert[name] = true
		return nil
	}
	st, err := root.Lstat(name)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	default:
		err = root.Remove(name)
	}
	if st != nil && st.IsDir() && (errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST)) {
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if was != nil {
		if err := delta.ApplyFile(w.root, delta.Change{Path: name, Entry: was}, delta.ApplyOptions{Metadata: w.table}); err != nil {
			return err
		}
	}
	return root.Chtimes(path.Dir(name), time.Time{}, parent.ModTime())
}

// was returns the entry of a path in the layer below, nil if there is none, and whether its
// file has several names.
func (w *Snapshot) was(name string) (e *tree.Entry, linked bool) {
	for i := range w.before.Entries {
		switch b := &w.before.Entries[i]; {
		case b.Path == name:
			e, linked = b, linked || b.Hardlink != ""
		case b.Hardlink == name:
			linked = true
		}
	}
	return e, linked
}
