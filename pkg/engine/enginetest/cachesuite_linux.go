// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/oci"
)

// TestCache fails unless the caches that open returns do what engine.Cache
// promises. Each call returns an empty cache, and a state whose root file system it can
// keep.
func TestCache(t *testing.T, open func(t *testing.T) (c engine.Cache, root engine.State)) {
	for name, test := range map[string]func(t *testing.T, c engine.Cache, root engine.State){
		"nothing there":      cacheIsEmpty,
		"comes back":         cacheKeeps,
		"last writer wins":   cacheReplaces,
		"owns what it has":   cacheOwns,
		"no key":             cacheRefuses,
		"ended context":      cacheEnded,
		"several goroutines": cacheConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			c, root := open(t)
			test(t, c, root)
		})
	}
}

// stateOf is a state with the root of another, and a text in its configuration.
func stateOf(root engine.State, text string) engine.State {
	s := engine.State{Layers: root.Layers, Layer: root.Layer, Config: oci.NewConfig("amd64")}
	s.Config.SetEnv("A", text)
	s.Config.SetEnv("B", "<&>\"=")
	s.Config.Config.Labels = map[string]string{"l": text}
	s.Config.Config.WorkingDir, s.Config.Config.User = "/w", "u"
	s.Config.AddHistory("RUN "+text, time.Unix(1e9, 0).UTC(), false)
	return s
}

// equalStates compares states. On a machine that has the layers, a state has the name of
// the topmost layer, too.
func equalStates(t *testing.T, got, want engine.State) {
	t.Helper()
	if got.Layer != want.Layer && got.Layer != "" && want.Layer != "" {
		t.Errorf("layer %s, want %s", got.Layer, want.Layer)
	}
	var texts [2]string
	for i, s := range []engine.State{got, want} {
		data, err := json.MarshalIndent(s, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(data)
	}
	if diff := cmp.Diff(texts[0], texts[1]); diff != "" {
		t.Errorf("state (-got +want):\n%s", diff)
	}
}

// lookedUp is the state under a key, which must exist.
func lookedUp(t *testing.T, c engine.Cache, key string) engine.State {
	t.Helper()
	s, ok, err := c.Lookup(t.Context(), key)
	if err != nil || !ok {
		t.Fatalf("look up %s: found %v, %v", key, ok, err)
	}
	return s
}

func put(t *testing.T, c engine.Cache, key string, s engine.State) {
	t.Helper()
	if err := c.Put(t.Context(), key, s); err != nil {
		t.Fatal(err)
	}
}

func cacheIsEmpty(t *testing.T, c engine.Cache, root engine.State) {
	put(t, c, "other", stateOf(root, "x"))
	for range 2 {
		if _, ok, err := c.Lookup(t.Context(), "key"); ok || err != nil {
			t.Errorf("found %v, %v", ok, err)
		}
		has(t, c, "key", false)
		has(t, c, "other", true)
	}
}

// has fails unless a cache's Has returns want for a key.
func has(t *testing.T, c engine.Cache, key string, want bool) {
	t.Helper()
	if got, err := c.Has(t.Context(), key); got != want || err != nil {
		t.Errorf("has %s: %v, %v, want %v", key, got, err, want)
	}
}

func cacheKeeps(t *testing.T, c engine.Cache, root engine.State) {
	want := map[string]engine.State{"1": stateOf(root, "one"), "2": stateOf(engine.State{}, "two"), "3": {Layers: root.Layers, Layer: root.Layer}, "4": {}}
	for k, s := range want {
		put(t, c, k, s)
	}
	for k, s := range want {
		has(t, c, k, true)
		equalStates(t, lookedUp(t, c, k), s)
		has(t, c, k, true)
	}
}

func cacheReplaces(t *testing.T, c engine.Cache, root engine.State) {
	for _, s := range []engine.State{stateOf(root, "one"), stateOf(engine.State{}, "two"), stateOf(root, "one"), stateOf(root, "three")} {
		put(t, c, "key", s)
	}
	equalStates(t, lookedUp(t, c, "key"), stateOf(root, "three"))
}

func cacheOwns(t *testing.T, c engine.Cache, root engine.State) {
	s := stateOf(root, "x")
	put(t, c, "key", s)
	s.Config.Config.Env[0], s.Config.Config.Labels["l"] = "changed=1", "changed"
	got := lookedUp(t, c, "key")
	equalStates(t, got, stateOf(root, "x"))
	got.Config.Config.Env[0], got.Config.Config.Labels["l"] = "changed=2", "changed"
	equalStates(t, lookedUp(t, c, "key"), stateOf(root, "x"))
}

func cacheRefuses(t *testing.T, c engine.Cache, root engine.State) {
	if err := c.Put(t.Context(), "", stateOf(root, "x")); err == nil {
		t.Error("a state is put without a key")
	}
	if _, ok, err := c.Lookup(t.Context(), ""); ok || err == nil {
		t.Errorf("without a key: found %v, %v", ok, err)
	}
	if ok, err := c.Has(t.Context(), ""); ok || err == nil {
		t.Errorf("without a key: has %v, %v", ok, err)
	}
}

// cacheEnded: with a context that has ended, a stored state is not reported as missing.
func cacheEnded(t *testing.T, c engine.Cache, root engine.State) {
	put(t, c, "key", stateOf(root, "x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, err := c.Lookup(ctx, "key"); ok != (err == nil) {
		t.Errorf("found %v, %v", ok, err)
	}
	if ok, err := c.Has(ctx, "key"); ok != (err == nil) {
		t.Errorf("has %v, %v", ok, err)
	}
	err := c.Put(ctx, "late", stateOf(root, "y"))
	if _, ok, _ := c.Lookup(t.Context(), "late"); ok != (err == nil) {
		t.Errorf("put: %v, found %v", err, ok)
	}
}

func cacheConcurrent(t *testing.T, c engine.Cache, root engine.State) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := fmt.Sprint("key", i)
			for n := range 5 {
				for _, k := range []string{own, "shared"} {
					if err := c.Put(t.Context(), k, stateOf(root, fmt.Sprint(i, n))); err != nil {
						t.Error(err)
					}
				}
				if s, ok, err := c.Lookup(t.Context(), "shared"); err != nil || !ok || !slices.Equal(s.Layers, root.Layers) {
					t.Errorf("found %v, %v, layers %v", ok, err, s.Layers)
				}
			}
			if s, ok, err := c.Lookup(t.Context(), own); err != nil || !ok || s.Config.Config.Labels["l"] != fmt.Sprint(i, 4) {
				t.Errorf("%s: found %v, %v", own, ok, err)
			}
		})
	}
	wg.Wait()
}
