// SPDX-License-Identifier: MPL-2.0

//go:build integration

package vm_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/vm/delta"
)

// The rung as builds have it: commands in roots of stored layers.
func TestRung(t *testing.T) {
	open(t) // or it is skipped
	box := openRung(t)
	enginetest.TestSandbox(t, func(t *testing.T) enginetest.Box {
		w, err := box.stored.Prepare(t.Context(), box.base)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.Discard(); err != nil {
				t.Error(err)
			}
		})
		return enginetest.Box{Sandbox: box.room.Sandbox, Root: w.Root(), Isolated: true, Apart: true}
	})
}

// openedRung is the rung, and a layer with what small has.
type openedRung struct {
	room   *rung.Room
	stored rung.Stored
	base   string
}

func openRung(t *testing.T) openedRung {
	t.Helper()
	r, err := rung.All().Find("vm")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	store, err := layer.Open(t.Context(), layer.Options{
		GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Snapshots: r.Snapshots[0], Owners: r.Store.Owners, NoMounts: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	kernel := os.Getenv(kernelVariable)
	if kernel == "" {
		kernel = download(t)
	}
	room, err := r.Open(t.Context(), rung.Setting{Dir: filepath.Join(dir, "state"), Cache: filepath.Join(dir, "cache"), Kernel: kernel, Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{room.Close(), store.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	out := openedRung{room: room, stored: room.Stored(store)}
	w, err := out.stored.Prepare(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	changes, err := delta.Find(t.Context(), newTree(), small(t), delta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := delta.Apply(t.Context(), w.Root(), changes, delta.ApplyOptions{Metadata: w.Owners()}); err != nil {
		t.Fatal(err)
	}
	if out.base, _, err = w.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return out
}
