// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	server "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/carosio/carosbuild/pkg/oci"
)

// A list of tags whose pages never end gives an error.
func TestTagsWithoutEnd(t *testing.T) {
	page := `{"name": "r", "tags": ["` + strings.Repeat(`a", "`, 50_000) + `z"]}`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			w.Header().Set("Link", fmt.Sprintf(`</v2/r/tags/list?last=%d>; rel="next"`, time.Now().UnixNano()))
			fmt.Fprint(w, page)
		}
	}))
	defer srv.Close()
	r, err := Client{}.Repository(t.Context(), strings.TrimPrefix(srv.URL, "http://")+"/r")
	if err != nil {
		t.Fatal(err)
	}
	if tags, err := r.Tags(t.Context()); err == nil || !strings.Contains(err.Error(), "does not end") {
		t.Errorf("%d tags, %v", len(tags), err)
	}
}

// A tag that names another image meanwhile is not removed.
func TestRemoveMoved(t *testing.T) {
	srv := httptest.NewServer(server.New(server.Logger(log.New(io.Discard, "", 0))))
	defer srv.Close()
	repository := strings.TrimPrefix(srv.URL, "http://") + "/r"
	put := func(tag, mark string) v1.Hash {
		img := mutate.Annotations(empty.Image, map[string]string{"mark": mark}).(v1.Image)
		to, err := name.ParseReference(repository + ":" + tag)
		if err == nil {
			err = remote.Write(to, img)
		}
		if err != nil {
			t.Fatal(err)
		}
		h, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	seen := map[string]oci.Digest{"old": put("old", "1"), "moved": put("moved", "2"), "gone": put("other", "3")}
	now := put("moved", "4")
	r, err := Client{}.Repository(t.Context(), repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Remove(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	for h, stays := range map[v1.Hash]bool{seen["old"]: false, now: true} { // this server keeps tags
		at, err := name.ParseReference(repository + "@" + h.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := remote.Head(at); (err == nil) != stays {
			t.Errorf("%s: %v, want it to stay: %v", h, err, stays)
		}
	}
}
