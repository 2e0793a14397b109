// SPDX-License-Identifier: MPL-2.0

package history

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
)

// The results of a plan are found as long as the store has images of their names
// that can be used, and the stages are what they were.
func TestBuilt(t *testing.T) {
	b := Built{Dir: filepath.Join(t.TempDir(), "pins")}
	p := &plan.Plan{Targets: []string{"b", "c"}, Stages: []plan.Job{{ID: "a", Key: "ka"}, {ID: "b", Key: "kb"}, {ID: "c", Key: "kc"}}}
	images := []layer.Image{{ID: "1", Names: []string{"localhost/other:1", "localhost/carosbuild/first:b"}}, {ID: "2", Names: []string{"localhost/carosbuild/first:c"}}}
	all := func(string, string) bool { return true }
	if names, ok := b.Targets(p, images, all); ok {
		t.Errorf("found before a build: %v", names)
	}
	if err := b.Note(p, "first"); err != nil {
		t.Fatal(err)
	}
	names, ok := b.Targets(p, images, all)
	if diff := cmp.Diff([]string{"first:b", "first:c"}, names); !ok || diff != "" {
		t.Errorf("%v, -want +got\n%s", ok, diff)
	}
	if _, image, ok := b.Find(&p.Stages[1], images); !ok || image.ID != "1" {
		t.Errorf("stage b is image %s, %v", image.ID, ok)
	}
	for _, tt := range []struct { // in this order
		what  string
		found func() bool
	}{
		{"without an image", func() bool { _, ok := b.Targets(p, images[:1], all); return ok }},
		{"with a damaged image", func() bool {
			_, ok := b.Targets(p, images, func(_, image string) bool { return image != "2" })
			return ok
		}},
		{"a build of others", func() bool {
			_, ok := b.Targets(p, images, func(id, _ string) bool { return id != "first" })
			return ok
		}},
		{"another key", func() bool { _, _, ok := b.Find(&plan.Job{ID: "b", Key: "new"}, images); return ok }},
		{"a file that is cut", func() bool { return os.Truncate(b.path(&p.Stages[1]), 3) != nil || found(b, p, images) }},
		{"the images of a later build", func() bool { return b.Note(p, "second") != nil || found(b, p, images) }},
	} {
		if tt.found() {
			t.Errorf("%s: found", tt.what)
		}
	}
}

func found(b Built, p *plan.Plan, images []layer.Image) bool {
	_, ok := b.Targets(p, images, func(string, string) bool { return true })
	return ok
}
