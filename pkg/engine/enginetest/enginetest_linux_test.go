// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/engine"
)

func TestFakeCache(t *testing.T) {
	TestCache(t, func(*testing.T) (engine.Cache, engine.State) {
		return &FakeCache{}, engine.State{Layers: digests("1", "2"), Layer: "layer"}
	})
}

func TestFakeSnapshots(t *testing.T) {
	TestSnapshotter(t, func(t *testing.T) engine.Snapshotter {
		s := &FakeSnapshots{Dir: t.TempDir()}
		t.Cleanup(func() {
			if n := s.Open(); n != 0 && !t.Failed() {
				t.Errorf("%d snapshots or views have not ended", n)
			}
		})
		return s
	})
}

func TestFakeChains(t *testing.T) {
	s := &FakeSnapshots{Dir: t.TempDir()}
	TestChains(t, s, s)
}

func TestFakeSandbox(t *testing.T) {
	TestSandbox(t, func(t *testing.T) Box { return Box{Sandbox: &FakeSandbox{Program: OnHost}, Root: t.TempDir()} })
}

// The suite cannot ask this of a sandbox whose first process is spared by signals.
func TestOnHostSignal(t *testing.T) {
	status, err := OnHost(t.Context(), sandbox.Command{Root: t.TempDir(), Args: []string{"/bin/sh", "-c", "kill -9 $$"}})
	if status != 137 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
}

func TestLocalWithFakes(t *testing.T) {
	TestExecutor(t, func(t *testing.T) Bench {
		dir := t.TempDir()
		store := &FakeSnapshots{Dir: filepath.Join(dir, "store")}
		b := Bench{Cache: &FakeCache{}, Snapshots: store, Base: rootOf(t, store, "base"), Exclusive: true}
		b.Executor = &engine.Local{
			Cache: b.Cache, Snapshots: store, Chains: store, Sandbox: &FakeSandbox{Program: OnHost}, Holder: "a test", CacheDir: dir, Scratch: dir, Now: time.Now,
			LogPath: func(stage string) string { return filepath.Join(dir, "logs", stage+".log") },
		}
		return b
	})
}

// digests are digests of layers that do not exist.
func digests(of ...string) (all []oci.Digest) {
	for _, d := range of {
		all = append(all, oci.Digest{Algorithm: "sha256", Hex: strings.Repeat(d, 64)})
	}
	return all
}
