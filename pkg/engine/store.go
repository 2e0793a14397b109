// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"encoding/json"
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
	return &View{Root: root, Release: release, Sums: recorded{l.Store, id}}, nil
}

// recorded are the sums of a chain of layers.
type recorded struct {
	store *layer.Store
	top   string
}

func (r recorded) Expect(ctx context.Context) (*sums.Expected, error) {
	return r.store.Expect(ctx, r.top)
}

func (r recorded) FindDamage(path, what string) error { return r.store.FindDamage(r.top, path, what) }

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

// ImagePuller brings images of registries, layouts, archives and the store itself into
// a store.
type ImagePuller struct {
	Store *layer.Store
	From  func(events func(oci.Event)) layer.Finder
}

// Pull implements Puller.
func (p ImagePuller) Pull(ctx context.Context, ref, arch string, events func(oci.Event)) (State, error) {
	pulled, err := p.Store.Pull(ctx, p.From(events), ref, arch)
	return State{Layer: pulled.Layer, Config: pulled.Config}, err
}

// Records are the results of steps that a store has.
type Records struct {
	Of  *layer.Records
	Now func() time.Time
}

// Lookup implements Cache.
func (r Records) Lookup(_ context.Context, key string) (State, bool, error) {
	rec, ok, err := r.Of.Lookup(key)
	if err != nil || !ok {
		return State{}, false, err
	}
	s := State{Layer: rec.Layer}
	if json.Unmarshal(rec.Config, &s.Config) != nil {
		return State{}, false, nil // of another version: run it again
	}
	return s, true, nil
}

// Put implements Cache.
func (r Records) Put(_ context.Context, key string, s State) error {
	config, err := json.Marshal(s.Config)
	if err != nil {
		return err
	}
	return r.Of.Put(layer.Record{Key: key, Layer: s.Layer, Config: config, Created: r.Now()})
}
