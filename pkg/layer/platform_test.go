// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// variants are what a reference may have, what is asked for, and which of them is
// right; "" for none.
var variants = []struct{ have, want, right string }{
	{"arm/v5 arm/v6 arm/v7 amd64", "armhf", "arm/v7"},
	{"arm/v5 arm/v6 amd64", "armhf", "arm/v6"},
	{"arm arm/v5", "armhf", "arm/v5"},
	{"arm/v8 arm amd64", "armhf", "arm"},
	{"arm/v5 arm/v7", "armel", "arm/v5"},
	{"arm/v6 arm/v7", "armel", ""},
	{"arm/v7 amd64", "armel", "arm/v7"}, // the only one
	{"arm/v8 amd64", "armhf", "arm/v8"},
	{"arm/v5 arm/v6 arm/v7", "arm/v6", "arm/v6"},
	{"amd64/v3 amd64/v2 amd64", "amd64", "amd64"},
	{"amd64/v3 amd64/v2", "amd64", "amd64/v2"},
	{"amd64/v3", "amd64", "amd64/v3"},
	{"amd64/v3 amd64/v2 amd64", "amd64/v2", "amd64/v2"},
	{"amd64/v4 amd64/v2 amd64", "amd64/v3", "amd64/v2"},
	{"arm64/v8 arm/v8", "arm64", "arm64/v8"},
	{"arm64/v9 arm64", "arm64", "arm64"},
	{"386 amd64", "i386", "386"},
	{"ppc64le", "ppc64el", "ppc64le"},
	{"amd64 arm64", "riscv64", ""},
	{"amd64 amd64", "amd64", "amd64"},
}

func platforms(t *testing.T, s string) []*v1.Platform {
	t.Helper()
	var out []*v1.Platform
	for _, f := range strings.Fields(s) {
		p, err := v1.ParsePlatform("linux/" + f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// The same image is right wherever it is from, and where none is, the message
// tells what there is.
func TestVariants(t *testing.T) {
	for _, tt := range variants {
		have := platforms(t, tt.have)
		for from, reach := range map[string]func(*testing.T, []*v1.Platform) string{
			"a layout": variantLayout(false), "a layout that tells no platforms": variantLayout(true),
			"a nested layout": nestedLayout, "a registry": variantRegistry, "an archive": variantArchive,
		} {
			t.Run(fmt.Sprintf("%s of %s from %s", tt.want, tt.have, from), func(t *testing.T) {
				tars, err := Registry{retry: quickRetry()}.OpenTars(t.Context(), reach(t, have), tt.want, TarCache{Dir: t.TempDir()})
				if tt.right == "" {
					if err == nil || !strings.Contains(err.Error(), "no image for linux/") || !strings.Contains(err.Error(), platformName(*have[0])+", "+platformName(*have[1])) {
						t.Errorf("got %v, want what there is", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer tars.Close()
				c := tars.Config
				got := platformName(v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant})
				if got != "linux/"+tt.right {
					t.Errorf("got %s, want %s", got, tt.right)
				}
			})
		}
	}
}

// Architectures have Debian's names, Go's, and those with a variant.
func TestArchitecture(t *testing.T) {
	for name, want := range map[string]string{"armhf": "arm", "armel": "arm", "arm/v6": "arm", "i386": "386", "amd64": "amd64", "ppc64el": "ppc64le"} {
		if got := Architecture(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// variantImages makes an image for each platform.
func variantImages(t *testing.T, l *layout, have []*v1.Platform, silent bool) []v1.Descriptor {
	var out []v1.Descriptor
	for _, p := range have {
		d := l.image(makeTar(t, reg("f", p.String())), func(_ *v1.Manifest, c *v1.ConfigFile) {
			c.OS, c.Architecture, c.Variant = p.OS, p.Architecture, p.Variant
		})
		if !silent {
			d.Platform = p
		}
		out = append(out, d)
	}
	return out
}

func variantLayout(silent bool) func(*testing.T, []*v1.Platform) string {
	return func(t *testing.T, have []*v1.Platform) string {
		l := newLayout(t)
		l.index(variantImages(t, l, have, silent)...)
		return "oci:" + l.dir
	}
}

func variantIndex(t *testing.T, l *layout, have []*v1.Platform) v1.Descriptor {
	note := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: l.blob("", []byte("{}")).Digest, Size: 2, Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}
	inner := l.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: append(variantImages(t, l, have, false), note)})
	return l.json(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{inner}})
}

func nestedLayout(t *testing.T, have []*v1.Platform) string {
	l := newLayout(t)
	d := variantIndex(t, l, have)
	d.Annotations = map[string]string{refName: "all"}
	l.index(d)
	return "oci:" + l.dir + ":all"
}

// variantRegistry serves a layout's blobs as a registry.
func variantRegistry(t *testing.T, have []*v1.Platform) string {
	l := newLayout(t)
	index := variantIndex(t, l, have)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		if name == "1" {
			name = index.Digest.String()
		}
		b, err := os.ReadFile(filepath.Join(l.dir, "blobs/sha256", strings.TrimPrefix(name, "sha256:")))
		if err != nil {
			return
		}
		var doc struct {
			MediaType string `json:"mediaType"`
		}
		_ = json.Unmarshal(b, &doc)
		w.Header().Set("Content-Type", doc.MediaType)
		_, _ = w.Write(b)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://") + "/x:1"
}

func variantArchive(t *testing.T, have []*v1.Platform) string {
	// Two of one platform would be two images with different names there.
	have = slices.CompactFunc(slices.Clone(have), func(a, b *v1.Platform) bool { return a.Equals(*b) })
	a := &archiveInTheMaking{t: t}
	for i, p := range have {
		a.image(*p, "content of "+p.String(), fmt.Sprintf("app:%d", i))
	}
	return "docker-archive:" + a.write("all.tar")
}

// archiveInTheMaking is an archive of docker save.
type archiveInTheMaking struct {
	t     *testing.T
	docs  []map[string]any
	files bytes.Buffer
	w     *tar.Writer
}

func (a *archiveInTheMaking) file(name string, content []byte) {
	a.t.Helper()
	if a.w == nil {
		a.w = tar.NewWriter(&a.files)
	}
	err := a.w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644})
	if err == nil {
		_, err = a.w.Write(content)
	}
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *archiveInTheMaking) image(p v1.Platform, content string, tags ...string) {
	a.t.Helper()
	layer := makeTar(a.t, reg("f", content))
	h, _, err := v1.SHA256(bytes.NewReader(layer))
	if err != nil {
		a.t.Fatal(err)
	}
	config, err := json.Marshal(v1.ConfigFile{OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{h}}})
	if err != nil {
		a.t.Fatal(err)
	}
	name := fmt.Sprint(len(a.docs))
	a.file(name+".tar", layer)
	a.file(name+".json", config)
	a.docs = append(a.docs, map[string]any{"Config": name + ".json", "RepoTags": tags, "Layers": []string{name + ".tar"}})
}

func (a *archiveInTheMaking) write(name string) string {
	a.t.Helper()
	doc, err := json.Marshal(a.docs)
	if err != nil {
		a.t.Fatal(err)
	}
	a.file("manifest.json", doc)
	file := filepath.Join(a.t.TempDir(), name)
	if err := os.WriteFile(file, a.files.Bytes(), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// An archive is told by its content, whatever its name says.
func TestCompressedArchives(t *testing.T) {
	amd64 := v1.Platform{OS: "linux", Architecture: "amd64"}
	a := &archiveInTheMaking{t: t}
	a.image(amd64, strings.Repeat("of an archive ", 10<<10), "app:1")
	plain := a.write("image.tar")
	scratch := t.TempDir()
	for _, program := range []string{"gzip", "zstd", "xz", "bzip2"} {
		packed := filepath.Join(t.TempDir(), "image.tar")
		path := tool(t, program)
		if err := os.WriteFile(packed, []byte(run(t, nil, path, "-c", plain)), 0o600); err != nil {
			t.Fatal(err)
		}
		tars, err := Registry{Scratch: scratch}.OpenTars(t.Context(), "docker-archive:"+packed, "amd64", TarCache{Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", program, err)
			continue
		}
		want, err := Registry{}.OpenTars(t.Context(), "docker-archive:"+plain+":app:1", "amd64", TarCache{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, want.Layers[0].Size)
		if _, err := tars.Layers[0].ReadAt(got, 0); err != nil && err != io.EOF || tars.Layers[0].DiffID != want.Layers[0].DiffID || !bytes.Contains(got, []byte("of an archive")) {
			t.Errorf("%s: another layer; %v", program, err)
		}
		if strings.TrimPrefix(tars.Ref, "docker-archive:"+packed) != strings.TrimPrefix(want.Ref, "docker-archive:"+plain) {
			t.Errorf("%s: %s is not %s", program, tars.Ref, want.Ref)
		}
		if _, err := (Registry{}).Resolve(t.Context(), tars.Ref, "amd64"); err != nil {
			t.Errorf("%s: by its digest: %v", program, err)
		}
		tars.Close()
		want.Close()
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	cut := filepath.Join(t.TempDir(), "cut.tar.gz")
	packed := run(t, nil, tool(t, "gzip"), "-c", plain)
	if err := os.WriteFile(cut, []byte(packed[:len(packed)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Registry{}).Resolve(t.Context(), "docker-archive:"+cut, ""); err == nil || IsNetwork(err) || !strings.Contains(err.Error(), "decompress") {
		t.Errorf("half of an archive: %v", err)
	}
}

// An archive of several images says which there are, and how one is named.
func TestArchiveOfSeveral(t *testing.T) {
	amd64 := v1.Platform{OS: "linux", Architecture: "amd64"}
	a := &archiveInTheMaking{t: t}
	a.image(amd64, "first", "app:1", "reg.example/app:one")
	a.image(amd64, "second", "db:latest")
	a.image(amd64, "third")
	file := a.write("images.tar")
	for name, want := range map[string]string{
		"":                     "3 images: app:1, db:latest, one without a name; say which one: docker-archive:" + file + ":NAME",
		":app:1":               "",
		":reg.example/app:one": "",
		":db":                  "",
		":db:latest":           "",
		":app:2":               "no image app:2; it has app:1, db:latest, one without a name",
	} {
		ref, err := Registry{}.Resolve(t.Context(), "docker-archive:"+file+name, "amd64")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		if want != "" {
			continue
		}
		if again, err := (Registry{}).Resolve(t.Context(), ref, "amd64"); err != nil || again != ref {
			t.Errorf("%q: %s is %s by its digest: %v", name, ref, again, err)
		}
	}
}
