// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/oci"
)

// TestChains fails unless the Chains of a Snapshotter do what engine.Chains promises.
func TestChains(t *testing.T, c engine.Chains, s engine.Snapshotter) {
	var below string
	seen := map[string]string{}
	for _, name := range []string{"one", "two", "three"} {
		w, err := s.Prepare(t.Context(), below)
		if err != nil {
			t.Fatal(err)
		}
		err = os.WriteFile(filepath.Join(w.Root(), name), []byte(name), 0o644)
		layer := ""
		if err == nil {
			layer, _, err = w.Commit(t.Context(), nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		chain, err := c.Chain(t.Context(), layer)
		if err != nil || len(chain) == 0 {
			t.Fatalf("%s: %v, %v", name, chain, err)
		}
		again, err := c.Chain(t.Context(), layer)
		if diff := cmp.Diff(again, chain); diff != "" || err != nil {
			t.Errorf("%s: %v (-got +want):\n%s", name, err, diff)
		}
		if got, ok, err := c.Find(t.Context(), chain); got != layer || !ok || err != nil {
			t.Errorf("%s: found %q, %v, %v, want %q", name, got, ok, err, layer)
		}
		top := chain[len(chain)-1].String()
		if other, ok := seen[top]; ok {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[top], below = name, layer
	}
	if chain, err := c.Chain(t.Context(), ""); len(chain) > 0 || err != nil {
		t.Errorf("an empty root: %v, %v", chain, err)
	}
	if layer, ok, err := c.Find(t.Context(), nil); layer != "" || !ok || err != nil {
		t.Errorf("no layers: found %q, %v, %v", layer, ok, err)
	}
	if chain, err := c.Chain(t.Context(), strings.Repeat("0", 64)); err == nil {
		t.Errorf("a layer that does not exist: %v", chain)
	}
	none := oci.Digest{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}
	if _, ok, err := c.Find(t.Context(), []oci.Digest{none}); ok || err != nil {
		t.Errorf("a digest that does not exist: found %v, %v", ok, err)
	}
}
