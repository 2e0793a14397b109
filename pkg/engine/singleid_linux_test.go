// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/supervisor"
	"github.com/carosio/carosbuild/pkg/userns"
)

func TestRecordedLayersAreSnapshots(t *testing.T) {
	t.Parallel()
	if !inNamespaceOf(t, userns.OneID) {
		return
	}
	s := engine.Layers{Store: openRecords(t)}
	enginetest.TestSnapshotter(t, func(*testing.T) engine.Snapshotter { return s })
	enginetest.TestChains(t, s, s)
}

func TestSupervisorOfAStoreIsASandbox(t *testing.T) {
	t.Parallel()
	box := busybox(t)
	if !inNamespaceOf(t, userns.OneID) {
		return
	}
	sup := &supervisor.Sandbox{State: t.TempDir(), Table: filepath.Join(t.TempDir(), "owners")}
	enginetest.TestSandbox(t, func(t *testing.T) enginetest.Box {
		root := filepath.Join(t.TempDir(), "root")
		if err := plantBusybox(box, root); err != nil {
			t.Fatal(err)
		}
		planted(t, root)
		return enginetest.Box{Sandbox: sup, Root: root, Isolated: true}
	})
}

func TestLocalWithOneIDIsAnExecutor(t *testing.T) {
	t.Parallel()
	box := busybox(t)
	if !inNamespaceOf(t, userns.OneID) {
		return
	}
	store := openRecords(t)
	layers := engine.Layers{Store: store}
	base := engine.State{Layer: layerOf(t, layers, "", func(root string) error { return plantBusybox(box, root) })}
	var err error
	if base.Layers, err = layers.Chain(t.Context(), base.Layer); err != nil {
		t.Fatal(err)
	}
	enginetest.TestExecutor(t, func(t *testing.T) enginetest.Bench {
		l := newLocal(t)
		l.Cache = engine.Records{Of: layer.OpenRecords(t.TempDir(), store.GraphRoot()), Now: time.Now}
		l.Snapshots, l.Chains, l.CacheOwners = layers, layers, store.Owners()
		l.Sandbox = &supervisor.Sandbox{State: t.TempDir(), Table: store.OwnersFile()}
		return enginetest.Bench{Executor: l, Cache: l.Cache, Snapshots: l.Snapshots, Base: base, Exclusive: true}
	})
}

// Owners and modes set by a policy and a step are in the layer, in what is made of it, and
// seen by the next step; a change of an owner alone makes a layer, unless it is undone.
func TestOwnersOfOneID(t *testing.T) {
	t.Parallel()
	box := busybox(t)
	if !inNamespaceOf(t, userns.OneID) {
		return
	}
	store := openRecords(t)
	layers := engine.Layers{Store: store}
	sup := &supervisor.Sandbox{State: t.TempDir(), Table: store.OwnersFile()}
	step := func(below, script string) (id string, changed bool) {
		t.Helper()
		w, err := layers.Prepare(t.Context(), below)
		if err != nil {
			t.Fatal(err)
		}
		planted(t, w.Root())
		status, err := sup.Run(t.Context(), sandbox.Command{
			ID: "t", Root: w.Root(), Args: []string{"/bin/sh", "-ec", script}, Cwd: "/", Network: sandbox.NoNetwork,
			Env: []string{"HOME=/", "PATH=/bin"}, Stdout: os.Stdout, Stderr: os.Stderr,
		})
		if status != 0 || err != nil {
			t.Fatalf("%s: status %d, %v", script, status, err)
		}
		if id, changed, err = w.Commit(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		return id, changed
	}
	base := layerOf(t, layers, "", func(root string) error {
		for _, name := range []string{"proc", "dev", "sys", "srv"} {
			if err := os.MkdirAll(filepath.Join(root, name), 0o755); err != nil {
				return err
			}
		}
		if err := plantBusybox(box, root); err != nil {
			return err
		}
		if err := os.Symlink("x", filepath.Join(root, "srv/link")); err != nil {
			return err
		}
		return store.Owners().Set(unix.AT_FDCWD, filepath.Join(root, "srv/link"), owner.Meta{UID: 5, GID: 6, Mode: unix.S_IFLNK | 0o777})
	})
	one, _ := step(base, `cd /srv; busybox stat -c %u:%g link >seen; busybox chown 33:44 seen; chmod 4750 seen; busybox mkfifo p; busybox chown 7:8 p; ! busybox mknod n c 5 1`)
	two, changed := step(one, `cd /srv; [ "$(busybox stat -c %u:%g:%F link p)" = "5:6:symbolic link
7:8:fifo" ]; busybox chown 1 seen; busybox chown 33 seen; chmod 4750 seen; busybox chown -h 50 link; busybox chown -h 5 link`)
	if changed {
		t.Error("owners that are what they were have made a layer")
	}
	three, changed := step(two, `busybox chown -h 50 /srv/link`)
	if !changed {
		t.Error("another owner of a link has made no layer")
	}
	v, err := layers.View(t.Context(), three)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Release()
	got := map[string][4]uint32{}
	for _, name := range []string{"seen", "link", "p"} {
		st, err := v.Owners.Stat(unix.AT_FDCWD, filepath.Join(v.Root, "srv", name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = [4]uint32{st.Mode, st.Uid, st.Gid, uint32(st.Rdev)}
	}
	want := map[string][4]uint32{
		"seen": {unix.S_IFREG | 0o4750, 33, 44, 0}, "link": {unix.S_IFLNK | 0o777, 50, 6, 0}, "p": {unix.S_IFIFO | 0o644, 7, 8, 0},
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if seen, err := os.ReadFile(filepath.Join(v.Root, "srv/seen")); string(seen) != "5:6\n" || err != nil {
		t.Errorf("the step saw %q, %v", seen, err)
	}
	exportedOwners(t, store, three)
}

// exportedOwners checks the tar streams of a chain by applying them to another store.
func exportedOwners(t *testing.T, store *layer.Store, top string) {
	t.Helper()
	chain, err := store.Chain(top)
	if err != nil {
		t.Fatal(err)
	}
	other, parent := openRecords(t), ""
	for _, l := range chain {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = store.WriteTar(l, w); w.Close() }()
		got, err := other.Apply(t.Context(), parent, r, oci.Digest{})
		if err != nil || got.ID != l.ID {
			t.Fatalf("layer %s is %s in another store, %v", l.ID, got.ID, err)
		}
		parent = got.ID
	}
	root, release, err := other.View(t.Context(), parent)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for name, want := range map[string][2]uint32{"seen": {33, 44}, "link": {50, 6}, "p": {7, 8}} {
		st, err := other.Owners().Stat(unix.AT_FDCWD, filepath.Join(root, "srv", name))
		if err != nil || [2]uint32{st.Uid, st.Gid} != want {
			t.Errorf("%s in another store: %d:%d, want %v, %v", name, st.Uid, st.Gid, want, err)
		}
	}
}

// A store of one kind is not mistaken for the other.
func TestStoresOfOtherOwners(t *testing.T) {
	t.Parallel()
	if !inNamespaceOf(t, userns.OneID) {
		return
	}
	dir := t.TempDir()
	kinds := []owner.Policy{&owner.Recorded{}, owner.Kernel{}}
	for i, own := range kinds {
		at := filepath.Join(dir, []string{"a", "b"}[i])
		o := layer.Options{GraphRoot: at, RunRoot: at + "-run", Snapshots: snapshot.Copy, Owners: own}
		s, err := layer.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		layerOf(t, engine.Layers{Store: s}, "", func(root string) error { return os.WriteFile(filepath.Join(root, "f"), nil, 0o644) })
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		o.Owners = kinds[1-i]
		if s, err := layer.Open(t.Context(), o); err == nil {
			t.Errorf("%T: opened as the other kind: %v", own, s.Close())
		}
	}
}
