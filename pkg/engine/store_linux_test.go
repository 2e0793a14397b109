// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
)

// A view of a store's layer knows what was stored in it and those below, and of which
// layer it is.
func TestLayersKnowWhatWasStored(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	s := engine.Layers{Store: openStore(t)}
	low := layerOf(t, s, "", func(root string) error { return fill(root, "d/f=1", "d/g=22") })
	top := layerOf(t, s, low, func(root string) error { return fill(root, "d/f=333") })
	v, err := s.View(t.Context(), top)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := v.Release(); err != nil {
			t.Error(err)
		}
	}()
	all, err := v.Sums.Expect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	names := map[string]string{low: "low", top: "top"}
	for {
		f, of, ok, err := all.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		got = append(got, fmt.Sprintf("%q %d %s", f.Path, f.Size, names[of]))
	}
	if diff := cmp.Diff(got, []string{`"" 0 top`, `"d" 0 top`, `"d/f" 3 top`, `"d/g" 2 low`}); diff != "" {
		t.Errorf("expected (-got +want):\n%s", diff)
	}
	if err := v.Sums.FindDamage("d/f", "has changed"); err == nil {
		t.Error("a path that is not as expected gives no error")
	}
}
