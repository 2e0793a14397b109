// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// smallImage is an image with one layer, given directly.
type smallImage struct{ manifest, config, layer []byte }

func newSmallImage(t *testing.T, layer []byte) smallImage {
	t.Helper()
	doc := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	desc := func(mt types.MediaType, b []byte) v1.Descriptor {
		h, n, err := v1.SHA256(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return v1.Descriptor{MediaType: mt, Digest: h, Size: n}
	}
	l := desc(types.OCIUncompressedLayer, layer)
	config := doc(v1.ConfigFile{Architecture: "amd64", OS: "linux", RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{l.Digest}}})
	m := doc(v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Config: desc(types.OCIConfigJSON, config), Layers: []v1.Descriptor{l}})
	return smallImage{m, config, layer}
}

// what is the document that a request asks for.
func (i smallImage) what(r *http.Request) (name string, body []byte) {
	h, _, err := v1.SHA256(bytes.NewReader(i.config))
	switch {
	case err != nil || r.URL.Path == "/v2/":
		return "ping", nil
	case strings.Contains(r.URL.Path, "/manifests/"):
		return "manifest", i.manifest
	case strings.HasSuffix(r.URL.Path, h.Hex):
		return "config", i.config
	case strings.Contains(r.URL.Path, "/blobs/"):
		return "layer", i.layer
	}
	return "other", nil
}

func (i smallImage) serve(w http.ResponseWriter, r *http.Request) {
	name, body := i.what(r)
	if name == "manifest" {
		w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// serveAs serves an image; f serves one document of it.
func (i smallImage) serveAs(t *testing.T, name string, f http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, _ := i.what(r); n == name {
			f(w, r)
			return
		}
		i.serve(w, r)
	}))
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}
