// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/archive"
	"github.com/carosio/carosbuild/pkg/layer/sums"
	"github.com/carosio/carosbuild/pkg/oci"
)

// FakeSnapshots are an engine.Snapshotter of whole directories below Dir. Every file
// belongs to the user who runs the test: Chown changes nothing.
type FakeSnapshots struct {
	Dir string

	mu     sync.Mutex
	n      int
	open   int
	owners []string
}

// LayerDir is the directory with all files of a layer.
func (f *FakeSnapshots) LayerDir(id string) string { return filepath.Join(f.Dir, "layers", id) }

// Open is how many snapshots and views have not ended.
func (f *FakeSnapshots) Open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// Owners are the owners that files of all snapshots were given, as "NAME UID:GID".
func (f *FakeSnapshots) Owners() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.owners)
}

// Add makes a layer of a directory that a function fills.
func (f *FakeSnapshots) Add(ctx context.Context, below string, fill func(root string) error) (string, error) {
	w, err := f.Prepare(ctx, below)
	if err != nil {
		return "", err
	}
	if err := fill(w.Root()); err != nil {
		return "", errors.Join(err, w.Discard())
	}
	id, _, err := w.Commit(ctx, nil)
	return id, err
}

// copyOf copies a layer to a new directory.
func (f *FakeSnapshots) copyOf(ctx context.Context, id string) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	f.mu.Lock()
	f.n++
	dir := filepath.Join(f.Dir, "roots", fmt.Sprint(f.n))
	f.mu.Unlock()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if id != "" {
		if err := copyTree(f.LayerDir(id), dir); err != nil {
			return "", errors.Join(fmt.Errorf("layer %s: %w", id, err), os.RemoveAll(dir))
		}
	}
	f.count(1)
	return dir, nil
}

func (f *FakeSnapshots) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open += n
}

// Prepare implements engine.Snapshotter.
func (f *FakeSnapshots) Prepare(ctx context.Context, id string) (engine.Snapshot, error) {
	dir, err := f.copyOf(ctx, id)
	if err != nil {
		return nil, err
	}
	return &fakeSnapshot{of: f, below: id, root: dir}, nil
}

// View implements engine.Snapshotter. Its root is a copy.
func (f *FakeSnapshots) View(ctx context.Context, id string) (*engine.View, error) {
	dir, err := f.copyOf(ctx, id)
	if err != nil {
		return nil, err
	}
	v := &engine.View{Root: dir, Release: sync.OnceValue(func() error {
		f.count(-1)
		return os.RemoveAll(dir)
	})}
	if id != "" {
		v.Sums = fakeSums{f, id}
	}
	return v, nil
}

// Chain implements engine.Chains: a fake layer has all of its files, and is a chain by
// itself.
func (f *FakeSnapshots) Chain(_ context.Context, id string) ([]oci.Digest, error) {
	if id == "" {
		return nil, nil
	}
	if _, err := os.Stat(f.LayerDir(id)); err != nil {
		return nil, err
	}
	return []oci.Digest{{Algorithm: "sha256", Hex: id}}, nil
}

// Find implements engine.Chains.
func (f *FakeSnapshots) Find(_ context.Context, chain []oci.Digest) (string, bool, error) {
	if len(chain) == 0 {
		return "", true, nil
	}
	id := chain[0].Hex
	_, err := os.Stat(f.LayerDir(id))
	return id, len(chain) == 1 && err == nil, nil
}

// store moves a directory to the layer that its content names.
func (f *FakeSnapshots) store(dir string, all map[string]string) (string, error) {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(h, "%q %q\n", name, all[name])
	}
	id := fmt.Sprintf("%x", h.Sum(nil))
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := os.Stat(f.LayerDir(id)); err == nil {
		return id, os.RemoveAll(dir)
	}
	if err := os.MkdirAll(filepath.Join(f.Dir, "layers"), 0o755); err != nil {
		return "", err
	}
	known, err := crcs(dir)
	if err == nil {
		err = sums.Make(f.sumsFile(id), id, dir, archive.Format{Prefix: archive.UserOverlay}, known)
	}
	if err != nil {
		return "", err
	}
	return id, os.Rename(dir, f.LayerDir(id))
}

func (f *FakeSnapshots) sumsFile(id string) string { return f.LayerDir(id) + ".sums" }

// fakeSums are what was recorded about a layer.
type fakeSums struct {
	of *FakeSnapshots
	id string
}

func (s fakeSums) Expect(context.Context) (*sums.Expected, error) {
	r, err := sums.Open(s.of.sumsFile(s.id), s.id)
	if err != nil {
		return nil, err
	}
	return sums.Merge([]*sums.Reader{r}), nil
}

func (s fakeSums) FindDamage(path, what string) error {
	return &layer.DamageError{Layer: s.id, Path: path, What: what}
}
