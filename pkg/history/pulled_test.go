// SPDX-License-Identifier: MPL-2.0

package history

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/layer"
)

// Only names that a pull has given are noted, and only as long as the image has them.
func TestPulledNames(t *testing.T) {
	p := Pulled{Dir: filepath.Join(t.TempDir(), "pulled")}
	names := func(images []layer.Image, owner string) []string {
		t.Helper()
		all, err := p.Names(images, owner)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, n := range all {
			if n.Used.IsZero() {
				t.Errorf("%s has no time", n.Name)
			}
			out = append(out, n.Name)
		}
		return out
	}
	if got := names(nil, ""); got != nil {
		t.Errorf("without notes: %q", got)
	}
	before := []layer.Image{{ID: "1", Names: []string{"localhost/keep:1"}}}
	for _, n := range []PulledName{
		{Name: "localhost/keep:1", Image: "2", Owner: "joe"}, // a name that somebody else has given
		{Name: "r.example/a:1", Image: "2", Owner: "joe"},
		{Name: "r.example/b:1", Image: "3", Owner: "eve"},
	} {
		if err := p.Note(n, before); err != nil {
			t.Fatal(err)
		}
	}
	after := []layer.Image{{ID: "2", Names: []string{"localhost/keep:1", "r.example/a:1"}}, {ID: "3", Names: []string{"r.example/b:1"}}}
	if diff := cmp.Diff([]string{"r.example/a:1"}, names(after, "joe")); diff != "" {
		t.Errorf("of joe (-want +got):\n%s", diff)
	}
	if got := names(after, ""); len(got) != 2 {
		t.Errorf("of all: %q", got)
	}
	if got := names([]layer.Image{{ID: "9", Names: []string{"r.example/a:1"}}}, ""); got != nil {
		t.Errorf("given to another image: %q", got)
	}
	// Once more, when it is there already.
	if err := p.Note(PulledName{Name: "r.example/a:1", Image: "4", Owner: "joe"}, after); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"r.example/a:1"}, names([]layer.Image{{ID: "4", Names: []string{"r.example/a:1"}}}, "joe")); diff != "" {
		t.Errorf("pulled again (-want +got):\n%s", diff)
	}
	for range 2 {
		if err := p.Forget("r.example/a:1"); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(p.Dir); err != nil || len(left) != 1 {
		t.Errorf("notes: %v, %v", left, err)
	}
}
