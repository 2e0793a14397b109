// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// Layers are where the layers of snapshots are: uncompressed tar streams, of which trees
// are made without being unpacked.
type Layers interface {
	// Tree is what a layer and those below it make, "" an empty directory. It is valid
	// until close is called.
	Tree(ctx context.Context, layer string) (t *tree.Tree, close func() error, err error)
	// Put keeps a layer on another one, "" for none, and gives its name. Write writes it.
	Put(ctx context.Context, below string, write func(w io.Writer) error) (layer string, err error)
}

// Snapshots makes roots for the commands of a sandbox.
type Snapshots struct {
	Sandbox *Sandbox
	Layers  Layers
	// Private are extended attributes that no layer has; nil: none.
	Private func(xattr string) bool
}

// Snapshot is a root that commands change: a disk. It ends with Commit or Discard, and is
// used from one goroutine.
type Snapshot struct {
	from   *Snapshots
	below  string
	root   string // an empty directory that stands for it
	disk   *Disk
	close  func() error
	revert map[string]bool
	used   chan struct{} // has room for the one command that may use it
	broken error         // why its disk is of no use
	ended  bool
}

// Prepare makes a root with what is in a layer and those below it.
func (s *Snapshots) Prepare(ctx context.Context, layer string) (w *Snapshot, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, done, err := s.Layers.Tree(ctx, layer)
	if err != nil {
		return nil, err
	}
	w = &Snapshot{from: s, below: layer, close: done, revert: map[string]bool{}, used: make(chan struct{}, 1)}
	if w.disk, err = NewDisk(t, s.Sandbox.Scratch); err != nil {
		return nil, errors.Join(err, done())
	}
	if w.root, err = os.MkdirTemp(s.Sandbox.Scratch, "root-"); err != nil {
		return nil, errors.Join(err, w.disk.Close(), done())
	}
	s.Sandbox.add(w)
	return w, nil
}

func (s *Sandbox) add(w *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.snapshots == nil {
		s.snapshots = map[string]*Snapshot{}
	}
	s.snapshots[w.root] = w
}

func (s *Sandbox) remove(w *Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.snapshots, w.root)
}

func (s *Sandbox) snapshot(root string) *Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.snapshots[root]
}

// Root names the snapshot in a sandbox.Command. It is an empty directory: what is in the
// root is what Tree says.
func (w *Snapshot) Root() string { return w.root }

// Tree is what is in the root now. It is valid until the next command. It is an error when
// a machine did not come to its end.
func (w *Snapshot) Tree() (*tree.Tree, error) {
	if w.broken != nil {
		return nil, fmt.Errorf("the root was left in the middle of a command: %w", w.broken)
	}
	return w.disk.After()
}

// run runs a command, alone: a disk is for one machine.
func (w *Snapshot) run(ctx context.Context, c sandbox.Command) (int, error) {
	select {
	case w.used <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-w.used }()
	if w.broken != nil {
		return 0, w.broken
	}
	status, err := w.from.Sandbox.run(ctx, c, w.disk, w.ran)
	var start *StartError
	if err != nil && !errors.As(err, &start) {
		w.broken = err
	}
	return status, err
}

// ran takes over what a command has left.
func (w *Snapshot) ran(r wire.Result) error {
	for _, p := range r.Revert {
		w.revert[p] = true
	}
	return nil
}

// Revert has a path be as it is in the layer below, in the layer of Commit: gone if it is not
// there, a directory only if nothing in it was changed.
func (w *Snapshot) Revert(name string) error {
	if w.ended {
		return os.ErrClosed
	}
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	t, err := w.Tree()
	if err != nil {
		return err
	}
	for dir, _ := split(name); dir != ""; dir, _ = split(dir) {
		if e := at(t, dir); e != nil && e.Type() == tree.Symlink {
			return fmt.Errorf("revert /%s: /%s is a link", name, dir)
		}
	}
	w.revert[name] = true
	return nil
}

// at is the entry of a path as it is, nil without one.
func at(t *tree.Tree, name string) *tree.Entry {
	for i := range t.Entries {
		if t.Entries[i].Path == name {
			return &t.Entries[i]
		}
	}
	return nil
}

// Changes are what the layer of Commit has.
func (w *Snapshot) Changes(ctx context.Context) ([]delta.Change, error) {
	if _, err := w.Tree(); err != nil {
		return nil, err
	}
	return w.disk.Changes(ctx, w.revert, w.from.Private)
}

// Commit makes a layer of what was changed; no time in it is later than clamp, seconds since
// 1970, nil for no bound. Where nothing was, it is the layer below and false.
func (w *Snapshot) Commit(ctx context.Context, clamp *int64) (layer string, changed bool, err error) {
	if w.ended {
		return "", false, os.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return "", false, err
	}
	changes, err := w.Changes(ctx)
	if err != nil {
		return "", false, err
	}
	if len(changes) == 0 {
		return w.below, false, w.Discard()
	}
	layer, err = w.from.Layers.Put(ctx, w.below, func(to io.Writer) error {
		return delta.WriteTar(ctx, to, changes, delta.TarOptions{Clamp: clamp})
	})
	if err != nil {
		return "", false, err
	}
	return layer, true, w.Discard()
}

// Discard ends the snapshot. It is idempotent, and does nothing after Commit.
func (w *Snapshot) Discard() error {
	if w.ended {
		return nil
	}
	w.ended = true
	w.from.Sandbox.remove(w)
	return errors.Join(w.disk.Close(), w.close(), os.Remove(w.root))
}

// TarLayers are layers in a directory: ID.tar, and ID.json with what is below it.
type TarLayers struct{ Dir string }

type tarLayer struct{ Below string }

// Tree implements Layers.
func (l TarLayers) Tree(ctx context.Context, layer string) (*tree.Tree, func() error, error) {
	var layers []tree.Layer
	var files []*os.File
	closeAll := func() error {
		var errs []error
		for _, f := range files {
			errs = append(errs, f.Close())
		}
		return errors.Join(errs...)
	}
	for id := layer; id != ""; {
		var meta tarLayer
		b, err := os.ReadFile(filepath.Join(l.Dir, id+".json"))
		if err == nil {
			err = json.Unmarshal(b, &meta)
		}
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		f, err := os.Open(filepath.Join(l.Dir, id+".tar"))
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		files = append(files, f)
		st, err := f.Stat()
		if err != nil {
			return nil, nil, errors.Join(err, closeAll())
		}
		layers = append([]tree.Layer{{Name: "layer " + id, Tar: f, Size: st.Size()}}, layers...)
		id = meta.Below
	}
	t, err := tree.Merge(ctx, layers, 0, 1)
	if err != nil {
		return nil, nil, errors.Join(err, closeAll())
	}
	return t, closeAll, nil
}

// Put implements Layers. A layer that is there is not written again.
func (l TarLayers) Put(ctx context.Context, below string, write func(io.Writer) error) (string, error) {
	f, err := os.CreateTemp(l.Dir, "new-")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	sum := sha256.New()
	err = write(io.MultiWriter(f, sum))
	if err = errors.Join(err, f.Close(), ctx.Err()); err != nil {
		return "", err
	}
	id := sum.Sum(nil)
	if below != "" {
		chain := sha256.Sum256([]byte(below + " " + hex.EncodeToString(id)))
		id = chain[:]
	}
	name := hex.EncodeToString(id)
	meta, err := json.Marshal(tarLayer{Below: below})
	if err != nil {
		return "", err
	}
	if err := os.Rename(f.Name(), filepath.Join(l.Dir, name+".tar")); err != nil {
		return "", err
	}
	return name, os.WriteFile(filepath.Join(l.Dir, name+".json"), meta, 0o644)
}
