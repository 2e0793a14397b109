// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"sync"
)

// Cache holds the results of steps. Several goroutines use it, and several processes
// may. An empty key, which an unresolved step has, is an error. If ctx has ended, a
// method either does its work or returns ctx's error. A State is not shared: the caller
// may change what it has put or got.
type Cache interface {
	// Has reports whether Lookup would find something, as far as that can be told
	// without fetching it.
	Has(ctx context.Context, key string) (bool, error)
	// Lookup returns what the step with a key left, with its layers where the executor can
	// use them: a remote cache fetches them. It is false if there is no result, or none
	// that can be used: its layer is gone or damaged, or another version wrote it. A record
	// that cannot be read is an error.
	Lookup(ctx context.Context, key string) (State, bool, error)
	// Put stores what a step left; the last writer wins.
	Put(ctx context.Context, key string, s State) error
}

// Fresh is a cache that starts empty, so that every step runs once. Results put into it
// are put into c, too.
func Fresh(c Cache) Cache { return &fresh{Cache: c, keys: map[string]bool{}} }

type fresh struct {
	Cache
	mu   sync.Mutex
	keys map[string]bool
}

// stale reports whether a result that c has for a key may be older than f.
func (f *fresh) stale(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.keys[key] && key != "" // c reports an empty key
}

func (f *fresh) Has(ctx context.Context, key string) (bool, error) {
	if f.stale(key) {
		return false, ctx.Err()
	}
	return f.Cache.Has(ctx, key)
}

func (f *fresh) Lookup(ctx context.Context, key string) (State, bool, error) {
	if f.stale(key) {
		return State{}, false, ctx.Err()
	}
	return f.Cache.Lookup(ctx, key)
}

func (f *fresh) Put(ctx context.Context, key string, s State) error {
	if err := f.Cache.Put(ctx, key, s); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.keys[key] = true
	return nil
}
