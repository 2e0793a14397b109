// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"sync"
)

// Cache has the results of steps. It is used from several goroutines, and may be by
// several processes. An empty key, which a step has that is not resolved, is an
// error. Where ctx has ended, a method does its work or says so. A State is not
// shared: the caller may change what it has put or got.
type Cache interface {
	// Has reports whether Lookup would find something, as far as that can be told
	// without fetching it.
	Has(ctx context.Context, key string) (bool, error)
	// Lookup returns what a step with a key has left, its layers where the executor can
	// use them: a cache that is elsewhere fetches them. It is false when there is
	// nothing, or nothing that can be used: the layer is gone or damaged, or another
	// version has written it. What cannot be read is an error.
	Lookup(ctx context.Context, key string) (State, bool, error)
	// Put remembers what a step has left; the last writer wins.
	Put(ctx context.Context, key string, s State) error
}

// Fresh is a cache that has nothing but what is put into it from now on, so that
// every step runs once. What is put goes to c, too.
func Fresh(c Cache) Cache { return &fresh{Cache: c, keys: map[string]bool{}} }

type fresh struct {
	Cache
	mu   sync.Mutex
	keys map[string]bool
}

// stale reports whether c may have a result of a key that was there before.
func (f *fresh) stale(key string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.keys[key] && key != "" // of that c says what is wrong
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
