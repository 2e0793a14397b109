// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/engine"
)

func TestFakeCache(t *testing.T) {
	TestCache(t, func(*testing.T) (engine.Cache, string) { return &FakeCache{}, "layer" })
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

func TestFakeSandbox(t *testing.T) {
	TestSandbox(t, func(t *testing.T) Box { return Box{Sandbox: &FakeSandbox{Program: OnHost}, Root: t.TempDir()} })
}

// What the suite cannot say to a sandbox whose first process is spared.
func TestOnHostSignal(t *testing.T) {
	status, err := OnHost(t.Context(), sandbox.Command{Root: t.TempDir(), Args: []string{"/bin/sh", "-c", "kill -9 $$"}})
	if status != 137 || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
}

func TestLocalWithFakes(t *testing.T) {
	TestExecutor(t, func(t *testing.T) Bench {
		dir := t.TempDir()
		b := Bench{Cache: &FakeCache{}, Snapshots: &FakeSnapshots{Dir: filepath.Join(dir, "store")}}
		b.Executor = &engine.Local{
			Cache: b.Cache, Snapshots: b.Snapshots, Sandbox: &FakeSandbox{Program: OnHost}, Holder: "a test", CacheDir: dir, Scratch: dir, Now: time.Now,
			LogPath: func(stage string) string { return filepath.Join(dir, "logs", stage+".log") },
		}
		layer, err := b.Snapshots.(*FakeSnapshots).Add(t.Context(), "", func(root string) error { return os.WriteFile(filepath.Join(root, "base"), nil, 0o644) })
		if err != nil {
			t.Fatal(err)
		}
		b.Base.Layer = layer
		return b
	})
}
