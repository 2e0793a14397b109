// SPDX-License-Identifier: MPL-2.0

package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/layer/archive"
)

// copier is the driver that copies layers, and finds changes by comparing. It needs no
// mount, but makes one where it can, for set-user-ID programs.
type copier struct {
	Options // with Mounts, snapshots are mount points where that is permitted

	mu    sync.Mutex
	views map[string]*copiedView // by layer
}

// copiedView is a copy for views. It stays until the store is closed, for the next view.
type copiedView struct {
	once sync.Once
	dir  string
	err  error
}

// copySnapshot is a snapshot that is a copy.
type copySnapshot struct {
	of     *copier
	dir    string
	lowers []string
	before *archive.Stamps
	bound  bool
}

// Prepare implements Driver.
func (c *copier) Prepare(ctx context.Context, dir string, lowers []string) (Snapshot, error) {
	s := &copySnapshot{of: c, dir: dir, lowers: lowers}
	for _, d := range []string{s.tree(), s.merged()} {
		if err := os.Mkdir(d, 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(s.tree(), 0o755); err != nil { // whatever the umask
		return nil, err
	}
	err := archive.Flatten(ctx, lowers, c.Format, s.tree())
	if err == nil {
		s.before, err = archive.Take(s.tree())
	}
	if err != nil {
		return nil, err
	}
	if !c.Mounts {
		return s, nil
	}
	err = bindForSteps(s.tree(), s.merged())
	s.bound = err == nil
	if errors.Is(err, unix.EPERM) {
		err = nil
	}
	return s, err
}

func (s *copySnapshot) tree() string   { return filepath.Join(s.dir, "tree") }
func (s *copySnapshot) merged() string { return filepath.Join(s.dir, "merged") }

func (s *copySnapshot) Root() string {
	if s.bound {
		return s.merged()
	}
	return s.tree()
}

func (s *copySnapshot) End() error {
	if !s.bound {
		return nil
	}
	return detach(s.merged())
}

func (s *copySnapshot) Changes(ctx context.Context, clamp *int64) error {
	upper := filepath.Join(s.dir, ChangesDir)
	if err := os.Mkdir(upper, 0o700); err != nil {
		return err
	}
	o := archive.ChangesOptions{Lowers: s.lowers, Format: s.of.Format, Before: s.before, Clamp: clamp}
	if err := archive.Changes(ctx, s.tree(), upper, o); err != nil {
		return fmt.Errorf("find changed files: %w", err)
	}
	return nil
}

// Revert copies a path again.
func (s *copySnapshot) Revert(name string) error {
	dir, err := openPlain(s.tree(), path.Dir(name))
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return keepingTimes(dir, func() error {
		return archive.Restore(s.tree(), name, s.lowers, s.of.Format, s.before)
	})
}

// View implements Driver. The copy must not be written to: it is mounted read-only where
// that is possible.
func (c *copier) View(ctx context.Context, dir, id string, lowers []string) (string, func() error, error) {
	copied, err := c.copied(ctx, id, lowers)
	if err != nil {
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	if c.Mounts {
		err = bindReadOnly(copied, dir)
	}
	switch {
	case !c.Mounts, errors.Is(err, unix.EPERM):
		return copied, func() error { return os.Remove(dir) }, nil
	case err != nil:
		return "", nil, errors.Join(err, os.Remove(dir))
	}
	return dir, func() error {
		if err := detach(dir); err != nil {
			return err
		}
		return os.Remove(dir)
	}, nil
}

// copied returns the one copy of a chain for all its views.
func (c *copier) copied(ctx context.Context, id string, lowers []string) (string, error) {
	c.mu.Lock()
	if c.views == nil {
		c.views = map[string]*copiedView{}
	}
	v := c.views[id]
	if v == nil {
		v = &copiedView{}
		c.views[id] = v
	}
	c.mu.Unlock()
	v.once.Do(func() {
		if v.dir, v.err = c.Mkdir(); v.err == nil {
			v.err = archive.Flatten(ctx, lowers, c.Format, v.dir)
		}
	})
	if v.err != nil {
		c.mu.Lock()
		delete(c.views, id) // the next view tries again
		c.mu.Unlock()
	}
	return v.dir, v.err
}
