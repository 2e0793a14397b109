// SPDX-License-Identifier: MPL-2.0

package registry

import (
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

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

// variants are the variants of a reference, the requested one, and the right
// choice; "" for none.
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

// The same image is chosen wherever it is from, and if there is none, the message
// says what there is.
func TestVariants(t *testing.T) {
	for _, tt := range variants {
		have := platforms(t, tt.have)
		for from, reach := range map[string]func(*testing.T, []*v1.Platform) string{
			"a layout": variantLayout(false), "a layout that tells no platforms": variantLayout(true),
			"a nested layout": nestedLayout, "a registry": variantRegistry, "an archive": variantArchive,
		} {
			t.Run(fmt.Sprintf("%s of %s from %s", tt.want, tt.have, from), func(t *testing.T) {
				tars, err := Client{Backoff: ocitest.QuickRetry()}.OpenTars(t.Context(), reach(t, have), tt.want, oci.TarCache{Dir: t.TempDir()})
				if tt.right == "" {
					if err == nil || !strings.Contains(err.Error(), "no image for linux/") || !strings.Contains(err.Error(), have[0].String()+", "+have[1].String()) {
						t.Errorf("got %v, want what there is", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				defer tars.Close()
				c := tars.Config
				got := v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}.String()
				if got != "linux/"+tt.right {
					t.Errorf("got %s, want %s", got, tt.right)
				}
			})
		}
	}
}

// variantImages makes an image for each platform.
func variantImages(t *testing.T, l *ocitest.Layout, have []*v1.Platform, silent bool) []v1.Descriptor {
	var out []v1.Descriptor
	for _, p := range have {
		d := l.Image(ocitest.MakeTar(t, ocitest.Reg("f", p.String())), func(_ *v1.Manifest, c *v1.ConfigFile) {
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
		l := ocitest.NewLayout(t)
		l.Index(variantImages(t, l, have, silent)...)
		return "oci:" + l.Dir
	}
}

func variantIndex(t *testing.T, l *ocitest.Layout, have []*v1.Platform) v1.Descriptor {
	note := v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: l.Blob("", []byte("{}")).Digest, Size: 2, Platform: &v1.Platform{OS: "unknown", Architecture: "unknown"}}
	inner := l.JSON(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: append(variantImages(t, l, have, false), note)})
	return l.JSON(types.OCIImageIndex, v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{inner}})
}

func nestedLayout(t *testing.T, have []*v1.Platform) string {
	l := ocitest.NewLayout(t)
	d := variantIndex(t, l, have)
	d.Annotations = map[string]string{"org.opencontainers.image.ref.name": "all"}
	l.Index(d)
	return "oci:" + l.Dir + ":all"
}

// variantRegistry serves a layout's blobs as a registry.
func variantRegistry(t *testing.T, have []*v1.Platform) string {
	l := ocitest.NewLayout(t)
	index := variantIndex(t, l, have)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := filepath.Base(r.URL.Path)
		if name == "1" {
			name = index.Digest.String()
		}
		b, err := os.ReadFile(filepath.Join(l.Dir, "blobs/sha256", strings.TrimPrefix(name, "sha256:")))
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
	// Two images of one platform would have different names there.
	have = slices.CompactFunc(slices.Clone(have), func(a, b *v1.Platform) bool { return a.Equals(*b) })
	a := &ocitest.Archive{T: t}
	for i, p := range have {
		a.Image(*p, "content of "+p.String(), fmt.Sprintf("app:%d", i))
	}
	return "docker-archive:" + a.Write("all.tar")
}

// An archive is recognised by its content, whatever its name is.
func TestCompressedArchives(t *testing.T) {
	amd64 := v1.Platform{OS: "linux", Architecture: "amd64"}
	a := &ocitest.Archive{T: t}
	a.Image(amd64, strings.Repeat("of an archive ", 10<<10), "app:1")
	plain := a.Write("image.tar")
	scratch := t.TempDir()
	for _, program := range []string{"gzip", "zstd", "xz", "bzip2"} {
		packed := filepath.Join(t.TempDir(), "image.tar")
		path := tooltest.Find(t, program)
		if err := os.WriteFile(packed, []byte(run(t, path, "-c", plain)), 0o600); err != nil {
			t.Fatal(err)
		}
		tars, err := Client{Scratch: scratch}.OpenTars(t.Context(), "docker-archive:"+packed, "amd64", oci.TarCache{Dir: t.TempDir()})
		if err != nil {
			t.Errorf("%s: %v", program, err)
			continue
		}
		want, err := Client{}.OpenTars(t.Context(), "docker-archive:"+plain+":app:1", "amd64", oci.TarCache{Dir: t.TempDir()})
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
		if _, err := (Client{}).Resolve(t.Context(), tars.Ref, "amd64"); err != nil {
			t.Errorf("%s: by its digest: %v", program, err)
		}
		tars.Close()
		want.Close()
	}
	if left, err := os.ReadDir(scratch); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	cut := filepath.Join(t.TempDir(), "cut.tar.gz")
	packed := run(t, tooltest.Find(t, "gzip"), "-c", plain)
	if err := os.WriteFile(cut, []byte(packed[:len(packed)/2]), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (Client{}).Resolve(t.Context(), "docker-archive:"+cut, ""); err == nil || IsNetwork(err) || !strings.Contains(err.Error(), "decompress") {
		t.Errorf("half of an archive: %v", err)
	}
}
