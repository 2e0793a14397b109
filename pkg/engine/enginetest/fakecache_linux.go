// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"sync"

	"github.com/carosio/carosbuild/pkg/engine"
)

// FakeCache is an engine.Cache in memory.
type FakeCache struct {
	mu     sync.Mutex
	states map[string]kept
}

// kept is an immutable copy of a state.
type kept struct {
	data  []byte // JSON
	layer string // not part of the JSON
}

// Has implements engine.Cache.
func (c *FakeCache) Has(ctx context.Context, key string) (bool, error) {
	_, ok, err := c.Lookup(ctx, key)
	return ok, err
}

// Lookup implements engine.Cache.
func (c *FakeCache) Lookup(ctx context.Context, key string) (engine.State, bool, error) {
	if err := usable(ctx, key); err != nil {
		return engine.State{}, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.states[key]
	if !ok {
		return engine.State{}, false, nil
	}
	var s engine.State
	err := json.Unmarshal(k.data, &s)
	s.Layer = k.layer
	return s, err == nil, err
}

// Put implements engine.Cache.
func (c *FakeCache) Put(ctx context.Context, key string, s engine.State) error {
	if err := usable(ctx, key); err != nil {
		return err
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil {
		c.states = map[string]kept{}
	}
	c.states[key] = kept{data, s.Layer}
	return nil
}

// Forget removes the state of a key.
func (c *FakeCache) Forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.states, key)
}

func usable(ctx context.Context, key string) error {
	if key == "" {
		return errors.New("a key is empty")
	}
	return ctx.Err()
}
