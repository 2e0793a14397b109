// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/oci"
)

// TestCache fails unless the caches that open returns do what engine.Cache
// promises. Each call returns an empty cache, and a layer that states may name.
func TestCache(t *testing.T, open func(t *testing.T) (c engine.Cache, layer string)) {
	for name, test := range map[string]func(t *testing.T, c engine.Cache, layer string){
		"nothing there":      cacheIsEmpty,
		"comes back":         cacheKeeps,
		"last writer wins":   cacheReplaces,
		"owns what it has":   cacheOwns,
		"no key":             cacheRefuses,
		"ended context":      cacheEnded,
		"several goroutines": cacheConcurrent,
	} {
		t.Run(name, func(t *testing.T) {
			c, layer := open(t)
			test(t, c, layer)
		})
	}
}

// stateOf is a state with a configuration in which a text is found.
func stateOf(layer, text string) engine.State {
	s := engine.State{Layer: layer, Config: oci.NewConfig("amd64")}
	s.Config.SetEnv("A", text)
	s.Config.SetEnv("B", "<&>\"=")
	s.Config.Config.Labels = map[string]string{"l": text}
	s.Config.Config.WorkingDir, s.Config.Config.User = "/w", "u"
	s.Config.AddHistory("RUN "+text, time.Unix(1e9, 0).UTC(), false)
	return s
}

func equalStates(t *testing.T, got, want engine.State) {
	t.Helper()
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

// lookedUp is the state of a key, which must have one.
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

func cacheIsEmpty(t *testing.T, c engine.Cache, layer string) {
	put(t, c, "other", stateOf(layer, "x"))
	for range 2 {
		if _, ok, err := c.Lookup(t.Context(), "key"); ok || err != nil {
			t.Errorf("found %v, %v", ok, err)
		}
	}
}

func cacheKeeps(t *testing.T, c engine.Cache, layer string) {
	want := map[string]engine.State{"1": stateOf(layer, "one"), "2": stateOf("", "two"), "3": {Layer: layer}, "4": {}}
	for k, s := range want {
		put(t, c, k, s)
	}
	for k, s := range want {
		equalStates(t, lookedUp(t, c, k), s)
	}
}

func cacheReplaces(t *testing.T, c engine.Cache, layer string) {
	for _, s := range []engine.State{stateOf(layer, "one"), stateOf("", "two"), stateOf(layer, "one"), stateOf(layer, "three")} {
		put(t, c, "key", s)
	}
	equalStates(t, lookedUp(t, c, "key"), stateOf(layer, "three"))
}

func cacheOwns(t *testing.T, c engine.Cache, layer string) {
	s := stateOf(layer, "x")
	put(t, c, "key", s)
	s.Config.Config.Env[0], s.Config.Config.Labels["l"] = "changed=1", "changed"
	got := lookedUp(t, c, "key")
	equalStates(t, got, stateOf(layer, "x"))
	got.Config.Config.Env[0], got.Config.Config.Labels["l"] = "changed=2", "changed"
	equalStates(t, lookedUp(t, c, "key"), stateOf(layer, "x"))
}

func cacheRefuses(t *testing.T, c engine.Cache, layer string) {
	if err := c.Put(t.Context(), "", stateOf(layer, "x")); err == nil {
		t.Error("a state is put without a key")
	}
	if _, ok, err := c.Lookup(t.Context(), ""); ok || err == nil {
		t.Errorf("without a key: found %v, %v", ok, err)
	}
}

// cacheEnded: a context that has ended is no reason to say that there is nothing.
func cacheEnded(t *testing.T, c engine.Cache, layer string) {
	put(t, c, "key", stateOf(layer, "x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, err := c.Lookup(ctx, "key"); ok != (err == nil) {
		t.Errorf("found %v, %v", ok, err)
	}
	err := c.Put(ctx, "late", stateOf(layer, "y"))
	if _, ok, _ := c.Lookup(t.Context(), "late"); ok != (err == nil) {
		t.Errorf("put: %v, found %v", err, ok)
	}
}

func cacheConcurrent(t *testing.T, c engine.Cache, layer string) {
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			own := fmt.Sprint("key", i)
			for n := range 5 {
				for _, k := range []string{own, "shared"} {
					if err := c.Put(t.Context(), k, stateOf(layer, fmt.Sprint(i, n))); err != nil {
						t.Error(err)
					}
				}
				if s, ok, err := c.Lookup(t.Context(), "shared"); err != nil || !ok || s.Layer != layer {
					t.Errorf("found %v, %v, layer %q", ok, err, s.Layer)
				}
			}
			if s, ok, err := c.Lookup(t.Context(), own); err != nil || !ok || s.Config.Config.Labels["l"] != fmt.Sprint(i, 4) {
				t.Errorf("%s: found %v, %v", own, ok, err)
			}
		})
	}
	wg.Wait()
}
