// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/vm/roots"
)

// storedLayers are the layers of a store with the metadata of their tar streams.
type storedLayers struct {
	snaps   *roots.Snapshots
	tars    *tarLayers
	release func() error // removes the directory; nil: it belongs to the caller
}

// newStoredLayers returns the layers of a store. Dir is for files that last until Close.
func newStoredLayers(s *layer.Store, dir string) *storedLayers {
	l := &tarLayers{store: s, dir: dir, tars: map[string]*tarFile{}}
	return &storedLayers{snaps: &roots.Snapshots{Layers: l, Dir: dir}, tars: l}
}

// Close implements Stored.
func (s *storedLayers) Close() error {
	err := s.tars.close()
	if s.release != nil {
		err = errors.Join(err, s.release())
		s.release = nil
	}
	return err
}

// Prepare implements engine.Snapshotter.
func (s *storedLayers) Prepare(ctx context.Context, id string) (engine.Snapshot, error) {
	w, err := s.snaps.Prepare(ctx, id)
	if err != nil {
		return nil, err
	}
	return w, nil
}

// View implements engine.Snapshotter.
func (s *storedLayers) View(ctx context.Context, id string) (*engine.View, error) {
	v, err := s.snaps.View(ctx, id)
	if err != nil {
		return nil, err
	}
	return &engine.View{Root: v.Root, Release: v.Release, Owners: v.Owners()}, nil
}

// Tree implements Stored.
func (s *storedLayers) Tree(ctx context.Context, id string, clamp int64, jobs int) (*tree.Tree, func() error, error) {
	t, err := s.tars.merged(ctx, id, clamp, jobs)
	return t, func() error { return nil }, err
}

// tarLayers are the layers of a store as tar files, which are made when they are needed and
// stay until Close. Their digests are checked when they are made.
type tarLayers struct {
	store *layer.Store
	dir   string // for the files, which have no names

	mu   sync.Mutex
	tars map[string]*tarFile // by layer
}

// tarFile is the tar stream of a layer.
type tarFile struct {
	once sync.Once
	file *os.File
	size int64
	err  error
}

// Tree implements roots.Layers.
func (l *tarLayers) Tree(ctx context.Context, id string) (*tree.Tree, func() error, error) {
	t, err := l.merged(ctx, id, 0, 1)
	return t, func() error { return nil }, err
}

func (l *tarLayers) merged(ctx context.Context, id string, clamp int64, jobs int) (*tree.Tree, error) {
	chain, err := l.store.Chain(id)
	if err != nil {
		return nil, err
	}
	var layers []tree.Layer
	for _, one := range chain {
		f := l.tar(one)
		if f.err != nil {
			return nil, f.err
		}
		layers = append(layers, tree.Layer{Name: "layer " + one.DiffID.String(), Tar: f.file, Size: f.size})
	}
	return tree.Merge(ctx, layers, clamp, jobs)
}

// tar returns the tar stream of a layer.
func (l *tarLayers) tar(one layer.Layer) *tarFile {
	l.mu.Lock()
	f := l.tars[one.ID]
	if f == nil {
		f = &tarFile{}
		l.tars[one.ID] = f
	}
	l.mu.Unlock()
	f.once.Do(func() { f.err = f.make(l, one) })
	return f
}

func (f *tarFile) make(l *tarLayers, one layer.Layer) (err error) {
	if f.file, err = os.CreateTemp(l.dir, "layer-"); err != nil {
		return err
	}
	if err := os.Remove(f.file.Name()); err != nil {
		return err
	}
	if err := l.store.WriteTar(one, f.file); err != nil {
		return err
	}
	f.size, err = f.file.Seek(0, io.SeekEnd)
	return err
}

// Put implements roots.Layers.
func (l *tarLayers) Put(ctx context.Context, below string, write func(io.Writer) error) (string, error) {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(w)
		written <- err
		w.CloseWithError(err)
	}()
	made, err := l.store.Apply(ctx, below, r, oci.Digest{})
	r.CloseWithError(err) // stops the writer if it has not finished
	if werr := <-written; err == nil {
		err = werr
	}
	return made.ID, err
}

func (l *tarLayers) close() error {
	var errs []error
	for _, f := range l.tars {
		if f.file != nil {
			errs = append(errs, f.file.Close())
		}
	}
	clear(l.tars)
	return errors.Join(errs...)
}
