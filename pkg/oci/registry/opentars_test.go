// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// The same image gives the same streams wherever it is from, and is fetched once.
func TestOpenTars(t *testing.T) {
	l, streams := ocitest.SampleLayout(t)
	var blobs atomic.Int64
	host := ocitest.MemoryRegistry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				blobs.Add(1)
			}
			h.ServeHTTP(w, r)
		})
	})
	img, err := oci.OpenLayout(l.Dir, "", "", oci.PlatformOf("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/x:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{
		"oci:" + l.Dir, host + "/x:1", "docker-archive:" + ocitest.SampleArchive(t, streams, false), "docker-archive:" + ocitest.SampleArchive(t, streams, true) + ":x:1",
	} {
		cache := oci.TarCache{Dir: filepath.Join(t.TempDir(), "cache")}
		for range 2 {
			tars, err := Client{}.OpenTars(t.Context(), ref, "amd64", cache)
			if err != nil {
				t.Fatalf("%s: %v", ref, err)
			}
			if len(tars.Layers) != 3 || tars.Config.Architecture != "amd64" || !strings.Contains(tars.Ref, "@sha256:") {
				t.Errorf("%s: %+v", ref, tars)
			}
			for i, tar := range tars.Layers {
				got, err := io.ReadAll(io.NewSectionReader(tar, 0, tar.Size))
				if err != nil || !bytes.Equal(got, streams[i]) {
					t.Errorf("%s: layer %d differs (%v)", ref, i, err)
				}
			}
			if err := tars.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if n := blobs.Load(); n != 5 {
		t.Errorf("%d requests for blobs, want those of 3 layers, and of the config twice", n)
	}
	if _, err := (Client{}).OpenTars(t.Context(), "localhost/x:1", "", oci.TarCache{Dir: t.TempDir()}); err == nil {
		t.Error("an image of the store was opened")
	}
}
