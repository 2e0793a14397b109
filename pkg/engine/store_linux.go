// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
)

// Layers are the snapshots of a store of layers.
type Layers struct{ Store *layer.Store }

// Prepare implements Snapshotter.
func (l Layers) Prepare(ctx context.Context, id string) (Snapshot, error) {
	w, err := l.Store.Prepare(ctx, id)
	if err != nil {
		return nil, err
	}
	return &working{w, l.Store}, nil
}

// View implements Snapshotter.
func (l Layers) View(ctx context.Context, id string) (*View, error) {
	root, release, err := l.Store.View(ctx, id)
	if err != nil {
		return nil, err
	}
	return &View{Root: root, Release: release, Sums: recorded{l.Store, id}, Owners: l.Store.Owners()}, nil
}

// recorded are the recorded sums of a chain of layers.
type recorded struct {
	store *layer.Store
	top   string
}

func (r recorded) Expect(ctx context.Context) (*sums.Expected, error) {
	return r.store.Expect(ctx, r.top)
}

func (r recorded) FindDamage(path, what string) error { return r.store.FindDamage(r.top, path, what) }

// Chain implements Chains.
func (l Layers) Chain(_ context.Context, id string) ([]oci.Digest, error) {
	chain, err := l.Store.Chain(id)
	return diffIDs(chain), err
}

// Find implements Chains.
func (l Layers) Find(_ context.Context, chain []oci.Digest) (string, bool, error) {
	id := layer.TopID(chain)
	_, err := l.Store.Chain(id)
	if errors.Is(err, layer.ErrUnknown) {
		return "", false, nil
	}
	return id, err == nil, err
}

// diffIDs are the digests of a store's layers, nil if one is not known.
func diffIDs(chain []layer.Layer) (all []oci.Digest) {
	for _, l := range chain {
		if l.DiffID == (oci.Digest{}) {
			return nil
		}
		all = append(all, l.DiffID)
	}
	return all
}

// working is a snapshot of a store.
type working struct {
	*layer.Working
	store *layer.Store
}

func (w *working) Owners() owner.Policy { return w.store.Owners() }

func (w *working) Commit(ctx context.Context, clamp *int64) (string, bool, error) {
	l, changed, err := w.store.Commit(ctx, w.Working, layer.CommitOptions{Clamp: clamp})
	return l.ID, changed, err
}

// ImagePuller brings images from registries, layouts, archives and the store itself into
// a store.
type ImagePuller struct {
	Store *layer.Store
	From  func(events func(oci.Event)) layer.Finder
}

// Pull implements Puller.
func (p ImagePuller) Pull(ctx context.Context, ref, arch string, events func(oci.Event)) (State, error) {
	pulled, err := p.Store.Pull(ctx, p.From(events), ref, arch)
	if err != nil {
		return State{}, err
	}
	chain, err := p.Store.Chain(pulled.Layer)
	return State{Layers: diffIDs(chain), Config: pulled.Config, Layer: pulled.Layer}, err
}

// Records are the results of steps that a store has.
type Records struct {
	Of  *layer.Records
	Now func() time.Time
}

// Has implements Cache.
func (r Records) Has(ctx context.Context, key string) (bool, error) {
	_, ok, err := r.Lookup(ctx, key)
	return ok, err
}

// Lookup implements Cache.
func (r Records) Lookup(_ context.Context, key string) (State, bool, error) {
	rec, ok, err := r.Of.Lookup(key)
	if err != nil || !ok {
		return State{}, false, err
	}
	s := State{Layer: rec.Layer, Layers: r.Of.Chain(rec.Layer)}
	if json.Unmarshal(rec.Config, &s.Config) != nil {
		return State{}, false, nil // written by another version: run the step again
	}
	return s, true, nil
}

// Put implements Cache.
func (r Records) Put(_ context.Context, key string, s State) error {
	top, err := s.Here()
	if err != nil {
		return err
	}
	config, err := json.Marshal(s.Config)
	if err != nil {
		return err
	}
	return r.Of.Put(layer.Record{Key: key, Layer: top, Config: config, Created: r.Now()})
}

// Namer names the results of stages in a store of images: history.Keeper.
type Namer interface {
	Done(ctx context.Context, stage, layer string, config oci.Config) (id string, err error)
	Start(ctx context.Context, stage, layer string, config oci.Config) error
	Failed(ctx context.Context, stage, layer string, config oci.Config) (name string, err error)
}

// StoredImages are the images of the store that has the layers.
type StoredImages struct{ Names Namer }

// Done implements Images.
func (i StoredImages) Done(ctx context.Context, stage string, s State) (id string, err error) {
	layer, err := s.Here()
	if err != nil {
		return "", err
	}
	return i.Names.Done(ctx, stage, layer, s.Config)
}

// Start implements Images.
func (i StoredImages) Start(ctx context.Context, stage string, s State) error {
	layer, err := s.Here()
	if err != nil {
		return err
	}
	return i.Names.Start(ctx, stage, layer, s.Config)
}

// Failed is a function for Local.Failed.
func (i StoredImages) Failed(ctx context.Context, stage string, s State) (name string, err error) {
	layer, err := s.Here()
	if err != nil {
		return "", err
	}
	return i.Names.Failed(ctx, stage, layer, s.Config)
}
