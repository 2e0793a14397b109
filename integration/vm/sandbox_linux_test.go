// SPDX-License-Identifier: MPL-2.0

//go:build integration

package vm_test

import (
	"testing"

	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/vm"
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
		return enginetest.Box{Sandbox: &vm.Sandbox{Machine: m, Scratch: t.TempDir()}, Root: root, Isolated: true, Apart: true}
	})
}
