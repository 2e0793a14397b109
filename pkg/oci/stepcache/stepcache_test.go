// SPDX-License-Identifier: MPL-2.0

package stepcache

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

func TestCheck(t *testing.T) {
	for ref, want := range map[string]string{
		"registry.example.org/a/b":          "",
		"docker://registry.example.org/a":   "",
		"localhost:5000/cache":              "",
		"oci:dir":                           "",
		"oci:/var/cache/steps":              "",
		"oci:dir:tag":                       "tag or a digest",
		"oci:":                              "names no file",
		"registry.example.org":              "want REGISTRY/REPOSITORY",
		"a/b":                               "want REGISTRY/REPOSITORY",
		"registry.example.org/a:1":          "tag or a digest",
		"https://registry.example.org/a":    "leave out",
		"localhost/a":                       "want REGISTRY/REPOSITORY",
		"containers-storage:a":              "want REGISTRY/REPOSITORY",
		"docker-archive:a":                  "want REGISTRY/REPOSITORY",
		"scratch":                           "want REGISTRY/REPOSITORY",
		"":                                  "not an image reference",
		"registry.example.org/a@sha256:123": "tag or a digest",
	} {
		got := ""
		if err := Check(ref); err != nil {
			got = err.Error()
		}
		if (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%q: %q, want %q", ref, got, want)
		}
	}
}

func TestTag(t *testing.T) {
	for key, want := range map[string]bool{"": false, "abc": true, strings.Repeat("a", 64): true, strings.Repeat("a", 123): true, strings.Repeat("a", 124): false, "a/b": false, "a b": false, "a:b": false} {
		if tag, err := Tag(key); (err == nil) != want {
			t.Errorf("%q: %q, %v", key, tag, err)
		}
	}
}

// place is an empty place in a directory.
func place(t *testing.T) (*Place, string) {
	t.Helper()
	dir := t.TempDir()
	p, err := Open(t.Context(), registry.Client{}, "oci:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

func layer(data []byte) oci.StoredLayer {
	return oci.StoredLayer{DiffID: oci.DigestOf(data), Size: int64(len(data)), Write: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}
}

func put(t *testing.T, p *Place, m Meta, layers ...oci.StoredLayer) {
	t.Helper()
	r := Result{Config: oci.NewConfig("amd64")}
	for _, l := range layers {
		r.Layers = append(r.Layers, l.DiffID)
	}
	if err := p.Put(t.Context(), m, r, layers, oci.Transfer{}, oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}}); err != nil {
		t.Fatal(err)
	}
}

// Everything that is stored about a result is returned.
func TestMeta(t *testing.T) {
	p, _ := place(t)
	want := Meta{Key: "k", Parent: "p", Stage: "020-caros", Step: 2, Steps: 5, Title: "RUN \"a\"\n<&>", Build: "b", Declaration: "d", Program: "1.2", Packages: "x", Written: time.Unix(1e9, 0).UTC()}
	put(t, p, want, layer(ocitest.MakeTar(t, ocitest.Reg("f", "1"))))
	got, err := p.Lookup(t.Context(), "k", "p")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got.Meta, want); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
	if _, err := p.Lookup(t.Context(), "other", "p"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// A configuration that names layers which do not exist cannot be written.
func TestOtherLayers(t *testing.T) {
	p, _ := place(t)
	l := layer(ocitest.MakeTar(t, ocitest.Reg("f", "1")))
	c := oci.NewConfig("amd64")
	c.SetLayers([]oci.Digest{oci.DigestOf(nil)})
	err := p.Put(t.Context(), Meta{Key: "k"}, Result{Layers: []oci.Digest{l.DiffID}, Config: c}, []oci.StoredLayer{l}, oci.Transfer{}, oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}})
	if err == nil {
		t.Error("it was written")
	}
}

func TestPast(t *testing.T) {
	p, _ := place(t)
	if _, err := p.Past(t.Context(), "name"); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	for _, text := range []string{`{"a": "<&>"}`, "two"} {
		if err := p.PutPast(t.Context(), "name", []byte(text), time.Now(), oci.Transfer{}, oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}}); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Past(t.Context(), "name"); string(got) != text || err != nil {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
}

// Old results are removed, with the blobs that nothing else uses; other images are
// kept.
func TestPrune(t *testing.T) {
	p, dir := place(t)
	base, old, fresh := layer(ocitest.MakeTar(t, ocitest.Reg("f", "base"))), layer(ocitest.MakeTar(t, ocitest.Reg("f", "old"))), layer(ocitest.MakeTar(t, ocitest.Reg("f", "new")))
	now := time.Now()
	put(t, p, Meta{Key: "old", Written: now.Add(-48 * time.Hour)}, base, old)
	put(t, p, Meta{Key: "kept", Written: now.Add(-48 * time.Hour)}, base, old)
	put(t, p, Meta{Key: "new", Written: now}, base, fresh)
	kept, err := p.images.Image(t.Context(), "step-kept")
	if err != nil {
		t.Fatal(err)
	}
	if err := oci.WriteLayout(t.Context(), kept.Image, dir, "release"); err != nil {
		t.Fatal(err)
	}
	count := func() int {
		names, err := os.ReadDir(filepath.Join(dir, "blobs/sha256"))
		if err != nil {
			t.Fatal(err)
		}
		long := now.Add(-2 * unusedForTest)
		for _, n := range names {
			if err := os.Chtimes(filepath.Join(dir, "blobs/sha256", n.Name()), long, long); err != nil {
				t.Fatal(err)
			}
		}
		return len(names)
	}
	before := count()
	for _, look := range []bool{true, false} {
		if removed, stay, err := p.Prune(t.Context(), now.Add(-24*time.Hour), look); removed != 1 || stay != 2 || err != nil {
			t.Errorf("only look %v: removed %d, kept %d, %v", look, removed, stay, err)
		}
	}
	if after := count(); before-after != 2 && before-after != 1 { // the manifest, and its configuration if no other image has it
		t.Errorf("of %d blobs, %d are left", before, after)
	}
	for key, want := range map[string]bool{"old": false, "kept": true, "new": true} {
		e, err := p.Lookup(t.Context(), key, "")
		if (err == nil) != want {
			t.Errorf("%s: %v", key, err)
		}
		if want {
			tars, err := e.Source.OpenTars(t.Context(), oci.TarCache{Dir: t.TempDir()})
			if err != nil {
				t.Errorf("%s: %v", key, err)
				continue
			}
			tars.Close()
		}
	}
	if removed, _, err := p.Prune(t.Context(), now.Add(time.Hour), false); removed != 1 || err != nil {
		t.Errorf("all: removed %d, %v", removed, err)
	}
	if after := count(); after >= before-2 {
		t.Errorf("in the end %d of %d blobs are left", after, before)
	}
}

// A result that has been written anew meanwhile is not removed.
func TestRemoveMoved(t *testing.T) {
	p, _ := place(t)
	put(t, p, Meta{Key: "k"}, layer(ocitest.MakeTar(t, ocitest.Reg("f", "1"))))
	if err := p.images.Remove(t.Context(), map[string]oci.Digest{"step-k": oci.DigestOf([]byte("former"))}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Lookup(t.Context(), "k", ""); err != nil {
		t.Error(err)
	}
}

// unusedForTest is longer than a layout keeps unreferenced blobs.
const unusedForTest = 24 * time.Hour
