// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine"
)

// registry is all that the machines share: blobs by digest, and states by tag.
type registry struct {
	mu    sync.Mutex
	blobs map[string][]byte // tars
	tags  map[string][]byte // states in JSON
	read  map[string]int    // how often a blob was read
}

func newRegistry() *registry {
	return &registry{blobs: map[string][]byte{}, tags: map[string][]byte{}, read: map[string]int{}}
}

func (r *registry) has(digest string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.blobs[digest]
	return ok
}

func (r *registry) get(digest string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[digest]++
	data, ok := r.blobs[digest]
	if !ok {
		return nil, fmt.Errorf("the registry has no %s", digest)
	}
	return data, nil
}

// push stores a directory or a file, unless the registry has it.
func (r *registry) push(digest, path string) error {
	if r.has(digest) {
		return nil
	}
	data, err := pack(path)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blobs[digest] = data
	return nil
}

// fetch brings the layers of a state into a store.
func (r *registry) fetch(ctx context.Context, to *FakeSnapshots, s engine.State) (string, error) {
	layer, ok, err := to.Find(ctx, s.Layers)
	if err != nil || ok {
		return layer, err
	}
	data, err := r.get(s.Layers[0].String())
	if err != nil {
		return "", err
	}
	layer, err = to.Add(ctx, "", func(root string) error { return unpack(data, root) })
	if err == nil && layer != s.Layers[0].Hex {
		err = fmt.Errorf("the blob %s has the digest %s", s.Layers[0], layer)
	}
	return layer, err
}

// registryCache is an engine.Cache in a registry: a tag for each key, a blob for each
// layer. Layers are fetched into store and pushed from there; nil: on a machine that runs
// no steps.
type registryCache struct {
	*registry
	store *FakeSnapshots
}

func (c registryCache) state(ctx context.Context, key string) (s engine.State, ok bool, err error) {
	if err := usable(ctx, key); err != nil {
		return s, false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	data, ok := c.tags[key]
	if !ok || json.Unmarshal(data, &s) != nil {
		return s, false, nil
	}
	for _, d := range s.Layers {
		if _, ok := c.blobs[d.String()]; !ok {
			return s, false, nil
		}
	}
	return s, true, nil
}

func (c registryCache) Has(ctx context.Context, key string) (bool, error) {
	_, ok, err := c.state(ctx, key)
	return ok, err
}

func (c registryCache) Lookup(ctx context.Context, key string) (engine.State, bool, error) {
	s, ok, err := c.state(ctx, key)
	if err != nil || !ok {
		return engine.State{}, false, err
	}
	if c.store != nil {
		s.Layer, err = c.fetch(ctx, c.store, s)
	}
	return s, err == nil, err
}

func (c registryCache) Put(ctx context.Context, key string, s engine.State) error {
	if err := usable(ctx, key); err != nil {
		return err
	}
	for _, d := range s.Layers {
		if c.store == nil && !c.has(d.String()) {
			return fmt.Errorf("%s: %w", d, engine.ErrElsewhere)
		}
		if c.store != nil {
			if err := c.push(d.String(), c.store.LayerDir(d.Hex)); err != nil {
				return err
			}
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tags[key] = data
	return nil
}

// pack makes a tar of a file or directory, which is "." in it.
func pack(path string) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		link := ""
		if d.Type() == fs.ModeSymlink {
			if link, err = os.Readlink(name); err != nil {
				return err
			}
		}
		h, err := tar.FileInfoHeader(st, link)
		if err == nil {
			h.Name, err = filepath.Rel(path, name)
		}
		if err == nil {
			err = w.WriteHeader(h)
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(name)
		if err == nil {
			_, err = w.Write(data)
		}
		return err
	})
	return out.Bytes(), errors.Join(err, w.Close())
}

// unpack unpacks a tar of pack to a path.
func unpack(data []byte, path string) error {
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(path, h.Name)
		mode := h.FileInfo().Mode()
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(name, 0o700)
		case tar.TypeSymlink:
			err = os.Symlink(h.Linkname, name)
		default:
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, content, 0o600)
			}
		}
		if err == nil && h.Typeflag != tar.TypeSymlink {
			err = os.Chmod(name, mode)
		}
		if err != nil {
			return err
		}
	}
}

// A cache of steps in a registry fits in one file: with a store to fetch into, and on a
// machine that only asks.
func TestRegistryCache(t *testing.T) {
	for name, asks := range map[string]bool{"with a store": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			TestCache(t, func(t *testing.T) (engine.Cache, engine.State) {
				reg, store := newRegistry(), &FakeSnapshots{Dir: t.TempDir()}
				root := rootOf(t, store, "f")
				if !asks {
					return registryCache{reg, store}, root
				}
				if err := reg.push(root.Layers[0].String(), store.LayerDir(root.Layer)); err != nil {
					t.Fatal(err)
				}
				root.Layer = ""
				return registryCache{reg, nil}, root
			})
		})
	}
}

// rootOf is a state whose root has a file.
func rootOf(t *testing.T, store *FakeSnapshots, name string) engine.State {
	t.Helper()
	layer, err := store.Add(t.Context(), "", func(root string) error { return os.WriteFile(filepath.Join(root, name), []byte(name), 0o644) })
	if err != nil {
		t.Fatal(err)
	}
	chain, err := store.Chain(t.Context(), layer)
	if err != nil {
		t.Fatal(err)
	}
	return engine.State{Layer: layer, Layers: chain}
}
