// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// A view of a store's layer knows what was stored in it and the layers below, and in
// which of them.
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

// layouts finds images in OCI layouts, and reports it.
type layouts func(oci.Event)

func (l layouts) Find(_ context.Context, ref, arch string) (oci.Source, error) {
	l(oci.Event{Text: "looked for " + ref})
	p, err := oci.ParseReference(ref)
	if err != nil || p.Kind == oci.KindScratch {
		return oci.Source{Ref: ref}, err
	}
	return oci.FindFile(p, oci.PlatformOf(arch), "")
}

// The contents of an image arrive in the state of a stage: its layers, whose files are
// in the store, and its configuration.
func TestImagePuller(t *testing.T) {
	t.Parallel()
	if !inNamespace(t) {
		return
	}
	l := ocitest.NewLayout(t)
	var diffIDs []v1.Hash
	l.Index(l.Image(ocitest.MakeTar(t, ocitest.Dir("d"), ocitest.Reg("d/f", "of the image")), func(_ *v1.Manifest, c *v1.ConfigFile) {
		c.Config.User, c.Config.WorkingDir = "web", "/srv"
		diffIDs = c.RootFS.DiffIDs
	}))
	var events []string
	store := openStore(t)
	pull := func(ref string) (engine.State, error) {
		p := engine.ImagePuller{Store: store, From: func(e func(oci.Event)) layer.Finder { return layouts(e) }}
		return p.Pull(t.Context(), ref, "amd64", func(e oci.Event) { events = append(events, e.Text) })
	}
	s := must(t)(pull("oci:" + l.Dir))
	if diff := cmp.Diff(s.Layers, diffIDs); diff != "" || len(diffIDs) != 1 {
		t.Errorf("layers (-got +want):\n%s", diff)
	}
	if got, want := s.Config.Config.User+" in "+s.Config.Config.WorkingDir, "web in /srv"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	v, err := engine.Layers{Store: store}.View(t.Context(), s.Layer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(v.Root, "d/f")); err != nil || string(got) != "of the image" {
		t.Errorf("%q, %v", got, err)
	}
	if err := v.Release(); err != nil {
		t.Error(err)
	}
	if s := must(t)(pull("scratch")); s.Layer != "" || len(s.Layers) != 0 {
		t.Errorf("scratch has layers: %+v", s)
	}
	missing := "oci:" + l.Dir + ":nosuch"
	if s, err := pull(missing); err == nil || s.Layer != "" {
		t.Errorf("a tag that does not exist: %v, %+v", err, s)
	}
	if diff := cmp.Diff(events, []string{"looked for oci:" + l.Dir, "looked for scratch", "looked for " + missing}); diff != "" {
		t.Errorf("events (-got +want):\n%s", diff)
	}
}
