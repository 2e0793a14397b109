// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// TestPlacesHere: without a network, caches in registries are left out with a note, unless
// they are required.
func TestPlacesHere(t *testing.T) {
	const registry, layout = "registry.example.org/cache", "oci:cache"
	places := func() cachePlaces {
		return cachePlaces{from: []string{registry, layout}, to: []cacheTarget{{ref: layout}, {ref: registry}}}
	}
	for _, tt := range []struct {
		offline, required bool
		from              []string
		to, notes         int
		fails             bool
	}{
		{from: []string{registry, layout}, to: 2},
		{required: true, from: []string{registry, layout}, to: 2},
		{offline: true, from: []string{layout}, to: 1, notes: 1},
		{offline: true, required: true, fails: true},
	} {
		c := newBuild(&cli.App{Offline: tt.offline})
		c.required = tt.required
		notes := 0
		got, err := c.placesHere(places(), func(string) { notes++ })
		if tt.fails {
			if err == nil {
				t.Errorf("%+v: no error", tt)
			}
			continue
		}
		if diff := cmp.Diff(tt.from, got.from); err != nil || diff != "" || len(got.to) != tt.to || notes != tt.notes {
			t.Errorf("%+v: %v, %d targets, %d notes\n%s", tt, err, len(got.to), notes, diff)
		}
	}
}
