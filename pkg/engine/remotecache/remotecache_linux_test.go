// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/oci/stepcache"
)

// machine has a store of tars, by layer.
type machine struct {
	t      *testing.T
	place  func(ctx context.Context) *stepcache.Place
	mu     sync.Mutex
	tars   map[string][]byte
	chains map[string][]oci.Digest
	warned []string
}

func newMachine(t *testing.T, ref string) *machine {
	return &machine{t: t, tars: map[string][]byte{}, chains: map[string][]oci.Digest{}, place: func(ctx context.Context) *stepcache.Place {
		p, err := stepcache.Open(ctx, registry.Client{Backoff: ocitest.QuickRetry()}, ref)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}}
}

// add puts layers into the store.
func (m *machine) add(tars ...[]byte) engine.State {
	var s engine.State
	for _, data := range tars {
		d := oci.DigestOf(data)
		s.Layers = append(s.Layers, d)
		m.tars[d.String()] = data
	}
	s.Layer = "layer " + s.Layers[len(s.Layers)-1].Hex
	m.chains[s.Layer] = s.Layers
	return s
}

// cache is the cache of a build on this machine.
func (m *machine) cache(ctx context.Context) *Cache {
	p := m.place(ctx)
	return &Cache{
		Local: &enginetest.FakeCache{}, From: []*stepcache.Place{p}, To: []Target{{Place: p, Options: oci.PushOptions{Cache: oci.BlobCache{Dir: m.t.TempDir()}}}}, Now: time.Now,
		Warn: func(text string) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.warned = append(m.warned, text)
		},
		Stored: func(layer string) (all []oci.StoredLayer, err error) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for _, d := range m.chains[layer] {
				data := m.tars[d.String()]
				all = append(all, oci.StoredLayer{DiffID: d, Size: int64(len(data)), Write: func(w io.Writer) error {
					_, err := w.Write(data)
					return err
				}})
			}
			return all, nil
		},
		Pull: m.pull,
	}
}

func (m *machine) pull(ctx context.Context, f Found) (string, error) {
	tars, err := f.Source.OpenTars(ctx, oci.TarCache{Dir: m.t.TempDir()})
	if err != nil {
		return "", err
	}
	defer tars.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	var all [][]byte
	for _, l := range tars.Layers {
		data, err := io.ReadAll(io.NewSectionReader(l, 0, l.Size))
		if err != nil {
			return "", err
		}
		all = append(all, data)
	}
	if len(all) == 0 {
		return "", nil
	}
	return m.add(all...).Layer, nil
}

// between puts on one machine and looks up on another, which is new each time.
type between struct{ a, b *machine }

func (x between) Has(ctx context.Context, key string) (bool, error) {
	return x.b.cache(context.WithoutCancel(ctx)).Has(ctx, key)
}

func (x between) Lookup(ctx context.Context, key string) (engine.State, bool, error) {
	c := x.b.cache(context.WithoutCancel(ctx))
	return c.Here(c).Lookup(ctx, key)
}

func (x between) Put(ctx context.Context, key string, s engine.State) error {
	c := x.a.cache(context.WithoutCancel(ctx))
	return c.Run(ctx, func(int) {}, func(ctx context.Context) error { return c.Put(ctx, key, s) })
}

func tars(t *testing.T) [][]byte {
	return [][]byte{ocitest.MakeTar(t, ocitest.Reg("f", "one")), ocitest.MakeTar(t, ocitest.Reg("g", strings.Repeat("two", 1000)))}
}

// What one machine puts, another finds, in a registry and in a directory.
func TestCache(t *testing.T) {
	for name, ref := range map[string]func(t *testing.T) string{
		"registry":  func(t *testing.T) string { return ocitest.MemoryRegistry(t, nil) + "/ci/cache" },
		"directory": func(t *testing.T) string { return "oci:" + t.TempDir() + "/cache" },
	} {
		t.Run(name, func(t *testing.T) {
			enginetest.TestCache(t, func(t *testing.T) (engine.Cache, engine.State) {
				ref := ref(t)
				x := between{newMachine(t, ref), newMachine(t, ref)}
				t.Cleanup(func() {
					if all := append(x.a.warned, x.b.warned...); len(all) > 0 {
						t.Errorf("warnings %q", all)
					}
				})
				root := x.a.add(tars(t)...)
				x.b.add(tars(t)...)
				return x, root
			})
		})
	}
}

// A result based on a different step than the plan's is not used.
func TestOtherParent(t *testing.T) {
	ref := "oci:" + t.TempDir()
	x := between{newMachine(t, ref), newMachine(t, ref)}
	a := x.a.cache(t.Context())
	a.Steps = map[string]stepcache.Meta{"key": {Parent: "one"}}
	s := x.a.add(tars(t)...)
	if err := a.Run(t.Context(), func(int) {}, func(ctx context.Context) error { return a.Put(ctx, "key", s) }); err != nil {
		t.Fatal(err)
	}
	for parent, want := range map[string]bool{"one": true, "two": false, "": false} {
		c := x.b.cache(t.Context())
		c.Steps = map[string]stepcache.Meta{"key": {Parent: parent}}
		if _, ok, err := c.Lookup(t.Context(), "key"); ok != want || err != nil {
			t.Errorf("parent %q: found %v, %v", parent, ok, err)
		}
	}
	if len(x.b.warned) != 2 || !strings.Contains(x.b.warned[0], "based on another step") {
		t.Errorf("warnings %q", x.b.warned)
	}
}

type noChains struct{}

func (noChains) Chain(context.Context, string) ([]oci.Digest, error) { return nil, nil }

func (noChains) Find(context.Context, []oci.Digest) (string, bool, error) { return "", false, nil }

// refuses is a Policy that refuses every result.
type refuses struct{}

func (refuses) Check(_ context.Context, e stepcache.Entry) error {
	return fmt.Errorf("%s is not signed", e.Key)
}

func TestPolicy(t *testing.T) {
	ref := "oci:" + t.TempDir()
	x := between{newMachine(t, ref), newMachine(t, ref)}
	if err := x.Put(t.Context(), "key", x.a.add(tars(t)...)); err != nil {
		t.Fatal(err)
	}
	c := x.b.cache(t.Context())
	c.Policy = refuses{}
	if _, ok, err := c.Lookup(t.Context(), "key"); ok || err != nil || len(x.b.warned) != 1 {
		t.Errorf("found %v, %v, warnings %q", ok, err, x.b.warned)
	}
}

// A place that cannot be written to is reported once, and is an error if required.
func TestUploadFails(t *testing.T) {
	for required, want := range map[bool]int{false: 1, true: 0} {
		ref := ocitest.MemoryRegistry(t, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet && r.Method != http.MethodHead {
					w.WriteHeader(http.StatusForbidden)
					return
				}
				next.ServeHTTP(w, r)
			})
		}) + "/ci/cache"
		m := newMachine(t, ref)
		c := m.cache(t.Context())
		c.Required = required
		s := m.add(tars(t)...)
		err := c.Run(t.Context(), func(int) {}, func(ctx context.Context) error {
			for i := range 5 {
				if err := c.Put(ctx, fmt.Sprint("key", i), s); err != nil {
					return err
				}
			}
			return nil
		})
		if (err != nil) != required || len(m.warned) != want || c.Written() != 0 {
			t.Errorf("required %v: %v, warnings %q", required, err, m.warned)
		}
	}
}

// Layers of a chain that a registry has are not compressed again.
func TestKnownBlobs(t *testing.T) {
	ref := ocitest.MemoryRegistry(t, nil) + "/ci/cache"
	x := between{newMachine(t, ref), newMachine(t, ref)}
	if err := x.Put(t.Context(), "base", x.a.add(tars(t)[0])); err != nil {
		t.Fatal(err)
	}
	c := x.b.cache(t.Context())
	s, ok, err := c.Here(c).Lookup(t.Context(), "base")
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	read := map[string]int{}
	next := x.b.add(tars(t)...)
	stored := c.Stored
	c.Stored = func(layer string) ([]oci.StoredLayer, error) {
		all, err := stored(layer)
		for i, l := range all {
			all[i].Write = func(w io.Writer) error { read[l.DiffID.String()]++; return l.Write(w) }
		}
		return all, err
	}
	if err := c.Run(t.Context(), func(int) {}, func(ctx context.Context) error { return c.Put(ctx, "next", next) }); err != nil {
		t.Fatal(err)
	}
	if read[s.Layers[0].String()] != 0 || read[next.Layers[1].String()] != 1 || c.Written() != 1 {
		t.Errorf("read %v, warnings %q", read, x.b.warned)
	}
}
