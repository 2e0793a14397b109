// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"sync"

	"github.com/carosio/carosbuild/pkg/oci"
)

// State is what a step leaves: a layer, "" for an empty root, and the image
// configuration so far.
type State struct {
	Layer  string
	Config oci.Config
}

// Cache has the results of steps. It is used from several goroutines, and may be by
// several processes. An empty key, which a step has that is not resolved, is an
// error. Where ctx has ended, a method does its work or says so. A State is not
// shared: the caller may change what it has put or got.
type Cache interface {
	// Lookup returns what a step with a key has left. It is false when there is
	// nothing, or nothing that can be used: the layer is gone or damaged, or another
	// version has written it. What cannot be read is an error.
	Lookup(ctx context.Context, key string) (State, bool, error)
	// Put remembers what a step has left; the last writer wins.
	Put(ctx context.Context, key string, s State) error
}

// Anew is a cache that has nothing but what is put into it from now on, so that
// every step runs once. What is put goes to c, too.
func Anew(c Cache) Cache { return &anew{Cache: c, keys: map[string]bool{}} }

type anew struct {
	Cache
	mu   sync.Mutex
	keys map[string]bool
}

func (a *anew) Lookup(ctx context.Context, key string) (State, bool, error) {
	a.mu.Lock()
	ours := a.keys[key]
	a.mu.Unlock()
	if !ours && key != "" {
		return State{}, false, ctx.Err()
	}
	return a.Cache.Lookup(ctx, key)
}

func (a *anew) Put(ctx context.Context, key string, s State) error {
	if err := a.Cache.Put(ctx, key, s); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[key] = true
	return nil
}
