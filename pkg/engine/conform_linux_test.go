// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/userns"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/runc"
)

// recordsOf are records of a store that claims to have a layer.
func recordsOf(t *testing.T) (engine.Cache, engine.State) {
	t.Helper()
	graph, id := t.TempDir(), strings.Repeat("a", 64)
	diffID := oci.Digest{Algorithm: "sha256", Hex: strings.Repeat("d", 64)}
	for _, dir := range []string{"overlay-layers", "carosbuild/pending", "overlay/" + id + "/diff"} {
		if err := os.MkdirAll(filepath.Join(graph, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(graph, "overlay-layers/layers.json"), []byte(`[{"id":"`+id+`","diff-digest":"`+diffID.String()+`"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	return engine.Records{Of: layer.OpenRecords(layer.RecordsDir(graph), graph), Now: time.Now}, engine.State{Layer: id, Layers: []oci.Digest{diffID}}
}

func TestRecordsAreACache(t *testing.T) {
	enginetest.TestCache(t, recordsOf)
}

// A record whose layer is gone, or that another version wrote, does not count.
func TestRecordsThatAreOfNoUse(t *testing.T) {
	c, root := recordsOf(t)
	r, id := c.(engine.Records), root.Layer
	for key, rec := range map[string]layer.Record{
		"good":    {Layer: id, Config: []byte(`{}`)},
		"gone":    {Layer: strings.Repeat("b", 64), Config: []byte(`{}`)},
		"another": {Layer: id, Config: []byte(`{"config":7}`)},
		"nothing": {Layer: id},
	} {
		rec.Key = key
		if err := r.Of.Put(rec); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := c.Lookup(t.Context(), key); ok != (key == "good") || err != nil {
			t.Errorf("%s: found %v, %v", key, ok, err)
		}
		if ok, err := c.Has(t.Context(), key); ok != (key == "good") || err != nil {
			t.Errorf("%s: has %v, %v", key, ok, err)
		}
	}
	if err := c.Put(t.Context(), "elsewhere", engine.State{Layers: root.Layers}); !errors.Is(err, engine.ErrElsewhere) {
		t.Errorf("a state whose layers are elsewhere: %v", err)
	}
}

// A fresh cache has what is put into it, and nothing from before.
func TestFreshIsACache(t *testing.T) {
	enginetest.TestCache(t, func(t *testing.T) (engine.Cache, engine.State) {
		old := &enginetest.FakeCache{}
		for _, key := range []string{"key", "late"} {
			if err := old.Put(t.Context(), key, engine.State{Layer: "old"}); err != nil {
				t.Fatal(err)
			}
		}
		return engine.Fresh(old), engine.State{Layer: "layer"}
	})
}

func TestFreshGivesWhatIsPut(t *testing.T) {
	old := &enginetest.FakeCache{}
	c := engine.Fresh(old)
	if err := c.Put(t.Context(), "key", engine.State{Layer: "new"}); err != nil {
		t.Fatal(err)
	}
	if s, ok, err := old.Lookup(t.Context(), "key"); !ok || err != nil || s.Layer != "new" {
		t.Errorf("the other cache has %v, %v, %v", s.Layer, ok, err)
	}
}

// openStore opens a store of layers; it works only in a namespace.
func openStore(t *testing.T) *layer.Store { return openKind(t, snapshot.Overlay) }

// openKind opens a store with a kind of snapshots.
func openKind(t *testing.T, k snapshot.Kind) *layer.Store {
	t.Helper()
	return openWith(t, layer.Options{Snapshots: k})
}

// openRecords opens a store that records owners, in a namespace with one id.
func openRecords(t *testing.T) *layer.Store {
	t.Helper()
	return openWith(t, layer.Options{Snapshots: snapshot.Copy, Owners: &owner.Recorded{}})
}

func openWith(t *testing.T, o layer.Options) *layer.Store {
	t.Helper()
	dir := t.TempDir()
	o.GraphRoot, o.RunRoot = filepath.Join(dir, "graph"), filepath.Join(dir, "run")
	s, err := layer.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestLayersAreSnapshots(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	for _, k := range snapshot.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			s := engine.Layers{Store: openKind(t, k)}
			enginetest.TestSnapshotter(t, func(*testing.T) engine.Snapshotter { return s })
			enginetest.TestChains(t, s, s)
		})
	}
}

// plantBusybox makes a root whose programs are busybox's.
func plantBusybox(path, root string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, "bin"), 0o755); err != nil {
		return err
	}
	all := []error{os.Chmod(root, 0o755), os.WriteFile(filepath.Join(root, "bin/busybox"), data, 0o755)}
	for _, name := range []string{"sh", "cat", "chmod", "env", "id", "mkdir", "pwd", "sleep", "wget"} {
		all = append(all, os.Symlink("busybox", filepath.Join(root, "bin", name)))
	}
	return errors.Join(all...)
}

// openRuntime finds a runtime; it works only in a namespace.
func openRuntime(t *testing.T, name string) *runc.Runtime {
	t.Helper()
	scratch := t.TempDir()
	if err := userns.MountScratch(scratch); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(scratch, 0); err != nil {
			t.Error(err)
		}
	})
	rt, err := runc.FindRuntime(name, scratch)
	if err != nil {
		missing(t, name+": "+err.Error())
	}
	return rt
}

func TestRuntimeIsASandbox(t *testing.T) {
	t.Parallel()
	box := busybox(t)
	if !inNamespace(t) {
		return
	}
	runtimes := []string{""}
	if os.Getenv("CAROSBUILD_REQUIRE_TOOLS") == "1" {
		runtimes = []string{"runc", "crun"}
	}
	for _, name := range runtimes {
		t.Run(cmp.Or(name, "any"), func(t *testing.T) {
			rt := openRuntime(t, name)
			enginetest.TestSandbox(t, func(t *testing.T) enginetest.Box {
				root := filepath.Join(t.TempDir(), "root")
				if err := plantBusybox(box, root); err != nil {
					t.Fatal(err)
				}
				planted(t, root)
				return enginetest.Box{Sandbox: rt, Root: root, Isolated: true}
			})
		})
	}
}

// planted gives a root the runtime's mount points.
func planted(t *testing.T, root string) {
	t.Helper()
	if _, err := sandbox.Plant(root, nil, nil); err != nil {
		t.Fatal(err)
	}
}

func TestLocalIsAnExecutor(t *testing.T) {
	t.Parallel()
	box := busybox(t)
	if !inNamespace(t) {
		return
	}
	rt := openRuntime(t, "")
	for _, k := range snapshot.Kinds() {
		t.Run(string(k), func(t *testing.T) {
			store := openKind(t, k)
			layers := engine.Layers{Store: store}
			base := engine.State{Layer: layerOf(t, layers, "", func(root string) error { return plantBusybox(box, root) })}
			var err error
			if base.Layers, err = layers.Chain(t.Context(), base.Layer); err != nil {
				t.Fatal(err)
			}
			enginetest.TestExecutor(t, func(t *testing.T) enginetest.Bench {
				l := newLocal(t)
				l.Cache = engine.Records{Of: layer.OpenRecords(t.TempDir(), store.GraphRoot()), Now: time.Now}
				l.Snapshots, l.Chains, l.Sandbox = layers, layers, rt
				return enginetest.Bench{Executor: l, Cache: l.Cache, Snapshots: l.Snapshots, Base: base, Exclusive: true}
			})
		})
	}
}

// layerOf makes a layer of a directory that a function fills.
func layerOf(t *testing.T, s engine.Snapshotter, below string, fill func(root string) error) string {
	t.Helper()
	w, err := s.Prepare(t.Context(), below)
	if err != nil {
		t.Fatal(err)
	}
	if err := fill(w.Root()); err != nil {
		t.Fatal(errors.Join(err, w.Discard()))
	}
	id, _, err := w.Commit(t.Context(), nil)
	if err != nil {
		t.Fatal(errors.Join(err, w.Discard()))
	}
	return id
}

// newLocal is an executor on fakes, in a directory of the test.
func newLocal(t *testing.T) *engine.Local {
	t.Helper()
	dir := t.TempDir()
	snaps := &enginetest.FakeSnapshots{Dir: filepath.Join(dir, "store")}
	return &engine.Local{
		Cache: &enginetest.FakeCache{}, Snapshots: snaps, Chains: snaps, Sandbox: &enginetest.FakeSandbox{},
		Images: noImages{}, Holder: "a test", CacheDir: dir, Scratch: t.TempDir(),
		LogPath: func(stage string) string { return filepath.Join(dir, "logs", stage+".log") },
		Now:     func() time.Time { return time.Unix(1e9, 0) },
	}
}

// noImages is a Puller without images.
type noImages struct{}

func (noImages) Pull(_ context.Context, ref, _ string, _ func(oci.Event)) (engine.State, error) {
	return engine.State{}, fmt.Errorf("no image %s", ref)
}
