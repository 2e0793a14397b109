// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
)

// fetch brings the layers of a result into the store.
func (c *Cache) fetch(ctx context.Context, f *Found) (layer string, err error) {
	c.pulling.Lock()
	defer c.pulling.Unlock()
	if s, ok, err := c.Local.Lookup(ctx, f.Key); err == nil && ok && s.Layer != "" && chainOf(s.Layers) == chainOf(f.Layers) {
		return s.Layer, nil
	}
	if layer, err = c.Pull(ctx, *f); err != nil {
		return "", c.lost(ctx, f, err)
	}
	s, err := f.state()
	if err == nil {
		s.Layer = layer
		err = c.Local.Put(ctx, f.Key, s)
	}
	return layer, err
}

// lost makes a result that could not be fetched count as missing.
func (c *Cache) lost(ctx context.Context, f *Found, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	bad := c.spurn
	if !stepcache.Unusable(err) {
		bad = func(p *stepcache.Place, _ string, err error) error { return c.giveUp(p, err) }
	}
	if err := bad(f.Place, f.Key, err); err != nil {
		return err
	}
	return &LostError{f.Place.Name, err}
}

// known returns a result that was found with a chain of layers, or nil. If all such
// results are lost, the error is a LostError.
func (c *Cache) known(chain []oci.Digest) (*Found, error) {
	c.mu.Lock()
	all := slices.Clone(c.chains[chainOf(chain)])
	c.mu.Unlock()
	for _, a := range all {
		if f := a.found.Load(); f != nil && !c.isBad(f.Place, f.Key) {
			return f, nil
		}
	}
	if len(all) > 0 {
		return nil, &LostError{Err: engine.ErrElsewhere}
	}
	return nil, nil
}

// OpenTars opens the layers of a state that was found, without storing them here.
func (c *Cache) OpenTars(ctx context.Context, s engine.State, cache oci.TarCache) (*oci.Tars, error) {
	f, err := c.known(s.Layers)
	if f == nil {
		return nil, cmp.Or(err, engine.ErrElsewhere)
	}
	src := f.Source
	src.Transfer = c.Transfer
	t, err := src.OpenTars(ctx, cache)
	if err != nil {
		return nil, c.lost(ctx, f, err)
	}
	return t, nil
}

// Here wraps a cache, which is c or is built on c, so that the layers of its results are
// on this machine. It is for an executor.
func (c *Cache) Here(of engine.Cache) engine.Cache { return &here{of, c} }

type here struct {
	engine.Cache
	c *Cache
}

// Lookup implements engine.Cache. A result that cannot be fetched counts as missing.
func (h *here) Lookup(ctx context.Context, key string) (engine.State, bool, error) {
	s, ok, err := h.Cache.Lookup(ctx, key)
	if err != nil || !ok {
		return s, false, err
	}
	if _, err := s.Here(); err == nil {
		return s, true, nil
	}
	f, _ := h.c.known(s.Layers)
	if f == nil {
		return engine.State{}, false, nil
	}
	s.Layer, err = h.c.fetch(ctx, f)
	if lost := (*LostError)(nil); errors.As(err, &lost) {
		return engine.State{}, false, nil
	}
	return s, err == nil, err
}

// Chains are those of a store and of the results that were found, which Find fetches.
func (c *Cache) Chains(store engine.Chains) engine.Chains { return chains{store, c} }

type chains struct {
	engine.Chains
	c *Cache
}

// Find implements engine.Chains.
func (x chains) Find(ctx context.Context, chain []oci.Digest) (string, bool, error) {
	f, err := x.c.known(chain)
	if err != nil {
		return "", false, err
	}
	if f == nil {
		return x.Chains.Find(ctx, chain)
	}
	layer, err := x.c.fetch(ctx, f)
	return layer, err == nil, err
}

// Images wraps another Images. A stage whose layers are elsewhere is fetched if keep wants
// it, and otherwise left where it is. Key returns the key of a stage's last step.
func (c *Cache) Images(of engine.Images, key func(stage string) string, keep func(stage string) bool) engine.Images {
	return &images{of, c, key, keep}
}

type images struct {
	engine.Images
	c    *Cache
	key  func(stage string) string
	keep func(stage string) bool
}

// Done implements engine.Images.
func (i *images) Done(ctx context.Context, stage string, s engine.State) (string, error) {
	s, ok, err := i.settled(ctx, stage, s)
	if err != nil || !ok {
		return "", err
	}
	i.c.offer(i.key(stage), s, true)
	return i.Images.Done(ctx, stage, s)
}

// Start implements engine.Images.
func (i *images) Start(ctx context.Context, stage string, s engine.State) error {
	if _, err := s.Here(); err != nil {
		return nil // only for people who look at it: not worth a transfer
	}
	return i.Images.Start(ctx, stage, s)
}

func (i *images) settled(ctx context.Context, stage string, s engine.State) (engine.State, bool, error) {
	if _, err := s.Here(); err == nil {
		return s, true, nil
	}
	if !i.keep(stage) {
		return s, false, nil
	}
	f, err := i.c.known(s.Layers)
	if f == nil {
		return s, false, fmt.Errorf("stage %s: %w", stage, cmp.Or(err, engine.ErrElsewhere))
	}
	layer, err := i.c.fetch(ctx, f)
	s.Layer = layer
	return s, err == nil, err
}
