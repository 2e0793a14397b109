// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/vm/delta"
)

// A root that is a directory, as the suite of all sandboxes has it.
func TestConformance(t *testing.T) {
	m := open(t)
	enginetest.TestSandbox(t, func(t *testing.T) enginetest.Box {
		root := t.TempDir()
		changes, err := delta.Find(t.Context(), newTree(), small(t), delta.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := delta.Apply(t.Context(), root, changes, delta.ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		return enginetest.Box{Sandbox: &Sandbox{Machine: m, Scratch: t.TempDir()}, Root: root, Isolated: true, Apart: true}
	})
}

var _ = []any{os.Args, filepath.Join, strings.Join}
