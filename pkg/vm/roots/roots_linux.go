// SPDX-License-Identifier: MPL-2.0

package roots

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/vm/delta"
)

// Layers stores the layers of snapshots: uncompressed tar streams.
type Layers interface {
	// Tree merges a layer and those below it; "" is an empty directory. The tree is valid
	// until close is called.
	Tree(ctx context.Context, layer string) (t *tree.Tree, close func() error, err error)
	// Put stores a layer on another, "" for none, and returns its name. Write writes it.
	Put(ctx context.Context, below string, write func(w io.Writer) error) (layer string, err error)
}

// Snapshots makes roots from layers, each a copy. It is safe for concurrent use.
type Snapshots struct {
	Layers Layers
	Dir    string // for the roots, while they are used

	mu     sync.Mutex
	tables map[string]*owner.Table // by root
}

// Table returns the metadata of a root or a view; nil for any other directory.
func (s *Snapshots) Table(root string) *owner.Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tables[root]
}

// copied is a directory with the files of a layer and those below it.
type copied struct {
	of     *Snapshots
	root   string
	before *tree.Tree
	table  *owner.Table
	close  func() error // the layers
}

func (s *Snapshots) copy(ctx context.Context, layer string) (c *copied, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c = &copied{of: s, table: &owner.Table{}}
	if c.before, c.close, err = s.Layers.Tree(ctx, layer); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.end())
		}
	}()
	if c.root, err = os.MkdirTemp(s.Dir, "root-"); err != nil {
		return c, err
	}
	if err := os.Chmod(c.root, 0o755); err != nil {
		return c, err
	}
	if err := delta.Apply(ctx, c.root, whole(c.before), delta.ApplyOptions{Metadata: c.table}); err != nil {
		return c, fmt.Errorf("copy layers: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables == nil {
		s.tables = map[string]*owner.Table{}
	}
	s.tables[c.root] = c.table
	return c, nil
}

// whole returns the changes that turn an empty directory into a tree.
func whole(t *tree.Tree) []delta.Change {
	out := make([]delta.Change, len(t.Entries))
	for i := range t.Entries {
		out[i] = delta.Change{Path: t.Entries[i].Path, Entry: &t.Entries[i]}
	}
	return out
}

func (c *copied) end() error {
	c.of.mu.Lock()
	delete(c.of.tables, c.root)
	c.of.mu.Unlock()
	var err error
	if c.root != "" {
		err = beneath.RemoveAll(c.root)
	}
	return errors.Join(err, c.close())
}

// View is a copy of a layer and those below it.
type View struct {
	Root string
	once sync.Once
	copy *copied
	err  error
}

// View copies a layer and those below it.
func (s *Snapshots) View(ctx context.Context, layer string) (*View, error) {
	c, err := s.copy(ctx, layer)
	if err != nil {
		return nil, fmt.Errorf("view of layer %.12s: %w", layer, err)
	}
	return &View{Root: c.root, copy: c}, nil
}

// Owners returns the metadata of the view's files.
func (v *View) Owners() *owner.Table { return v.copy.table }

// Release removes the view. It is idempotent.
func (v *View) Release() error {
	v.once.Do(func() { v.err = v.copy.end() })
	return v.err
}

// Prepare makes a writable root from a layer and those below it; "" gives an empty directory,
// 0755.
func (s *Snapshots) Prepare(ctx context.Context, layer string) (*Snapshot, error) {
	c, err := s.copy(ctx, layer)
	if err != nil {
		return nil, fmt.Errorf("snapshot of layer %.12s: %w", layer, err)
	}
	return &Snapshot{copied: c, below: layer, revert: map[string]bool{}}, nil
}
