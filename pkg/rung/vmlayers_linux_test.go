// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/layer"
)

// openStored returns the layers of a new store, in the form for machines.
func openStored(t *testing.T) Stored {
	t.Helper()
	r := virtualMachine()
	dir := t.TempDir()
	s, err := layer.Open(t.Context(), layer.Options{
		GraphRoot: filepath.Join(dir, "graph"), RunRoot: filepath.Join(dir, "run"), Snapshots: r.Snapshots[0], Owners: r.Store.Owners, NoMounts: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := r.Stored(s, filepath.Join(dir, "state"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, err := range []error{stored.Close(), stored.Close(), s.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "state/*")); len(left) > 0 {
			t.Errorf("it leaves %q", left)
		}
	})
	return stored
}

// preparedVar is set in the process that TestStoredConformance starts.
const preparedVar = "CAROSBUILD_TEST_PREPARED"

// It runs in a process of its own, since rungs prepare the whole process.
func TestStoredConformance(t *testing.T) {
	if os.Getenv(preparedVar) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), preparedVar+"=1")
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := virtualMachine().Prepare(); err != nil {
		t.Fatal(err)
	}
	enginetest.TestSnapshotter(t, func(t *testing.T) engine.Snapshotter { return openStored(t) })
}
