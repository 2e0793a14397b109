// SPDX-License-Identifier: MPL-2.0

package remotecache

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// hostile is a registry that changes its answers; on gets each request and reports
// whether it has answered it.
type hostile struct {
	mu sync.Mutex
	on func(w http.ResponseWriter, r *http.Request, next http.Handler) bool
}

func (h *hostile) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		on := h.on
		h.mu.Unlock()
		if on == nil || r.Method != http.MethodGet || !on(w, r, next) {
			next.ServeHTTP(w, r)
		}
	})
}

// answered is a registry's answer to a request, as if for another path.
func answered(r *http.Request, next http.Handler, path string) (*bytes.Buffer, http.Header) {
	to := r.Clone(r.Context())
	if path != "" {
		to.URL.Path = path
	}
	rec := recorder{header: http.Header{}}
	next.ServeHTTP(&rec, to)
	return &rec.Buffer, rec.header
}

type recorder struct {
	bytes.Buffer
	header http.Header
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(int)     {}

func endless(w http.ResponseWriter) {
	for range 200 << 20 / 65536 {
		if _, err := w.Write(make([]byte, 65536)); err != nil {
			return
		}
	}
}

// A registry that gives wrong answers counts as an empty one, and there is a warning.
func TestHostileRegistry(t *testing.T) {
	isManifest := func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/manifests/") }
	layer := oci.DigestOf(tars(t)[1])
	for name, test := range map[string]struct {
		on   func(w http.ResponseWriter, r *http.Request, next http.Handler) bool
		want string
	}{
		"of another key": {func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if !isManifest(r) {
				return false
			}
			body, header := answered(r, next, "/v2/ci/cache/manifests/step-other")
			w.Header().Set("Content-Type", header.Get("Content-Type"))
			_, _ = w.Write(body.Bytes())
			return true
		}, "it says that it is of the key"},
		"a changed manifest": {func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if !isManifest(r) {
				return false
			}
			body, header := answered(r, next, "")
			w.Header().Set("Content-Type", header.Get("Content-Type"))
			_, _ = w.Write(bytes.Replace(body.Bytes(), []byte(`"layers":[`), []byte(`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"`+layer.String()+`","size":5},`), 1))
			return true
		}, "3 layers, but 2 digests"},
		"a changed blob": {func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			if isManifest(r) || !strings.Contains(r.URL.Path, "/blobs/") {
				return false
			}
			body, _ := answered(r, next, "")
			data := body.Bytes()
			data[len(data)/2] ^= 1
			_, _ = w.Write(data)
			return true
		}, "is not used"},
		"an endless manifest": {func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if isManifest(r) {
				endless(w)
			}
			return isManifest(r)
		}, "sends more than 32 MiB"},
		"an endless blob": {func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if strings.Contains(r.URL.Path, "/blobs/") {
				endless(w)
			}
			return strings.Contains(r.URL.Path, "/blobs/")
		}, "is not"},
		"a login page": {func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			if isManifest(r) {
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, "<html><body>Please log in</body></html>")
			}
			return isManifest(r)
		}, "is not"},
		"broken": {func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}, "is not read any more"},
		"not let in": {func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			w.WriteHeader(http.StatusForbidden)
			return true
		}, "is not read any more"},
	} {
		t.Run(name, func(t *testing.T) {
			h := &hostile{}
			ref := ocitest.MemoryRegistry(t, h.wrap) + "/ci/cache"
			x := between{newMachine(t, ref), newMachine(t, ref)}
			s := x.a.add(tars(t)...)
			for _, key := range []string{"key", "other", "parent"} {
				if err := x.Put(t.Context(), key, s); err != nil {
					t.Fatal(err)
				}
			}
			h.mu.Lock()
			h.on = test.on
			h.mu.Unlock()
			c := x.b.cache(t.Context())
			for range 2 {
				got, ok, err := c.Here(c).Lookup(t.Context(), "key")
				if ok || err != nil {
					t.Errorf("found %v %v, %v", ok, got.Layers, err)
				}
			}
			if len(x.b.warned) != 1 || !strings.Contains(x.b.warned[0], test.want) {
				t.Errorf("warnings %q, want %s", x.b.warned, test.want)
			}
			c = x.b.cache(t.Context())
			c.Required = true
			if _, ok, err := c.Here(c).Lookup(t.Context(), "key"); ok || err == nil {
				t.Errorf("required: found %v, %v", ok, err)
			}
		})
	}
}

// A layer that is not the one that the configuration names is not used, and its entry is
// not found again.
func TestWrongLayer(t *testing.T) {
	ref := ocitest.MemoryRegistry(t, nil) + "/ci/cache"
	x := between{newMachine(t, ref), newMachine(t, ref)}
	s := x.a.add(tars(t)...)
	x.a.tars[s.Layers[1].String()] = ocitest.MakeTar(t, ocitest.Reg("evil", ""))
	if err := x.Put(t.Context(), "key", s); err != nil {
		t.Fatal(err)
	}
	c := x.b.cache(t.Context())
	got, ok, err := c.Lookup(t.Context(), "key")
	if !ok || err != nil || got.Layer != "" {
		t.Fatalf("found %v, %v, layer %q", ok, err, got.Layer)
	}
	none := noChains{}
	for range 2 {
		_, ok, err = c.Chains(none).Find(t.Context(), got.Layers)
		if lost := (*LostError)(nil); ok || !errors.As(err, &lost) {
			t.Errorf("fetched %v, %v", ok, err)
		}
	}
	if _, ok, err := c.Lookup(t.Context(), "key"); ok || err != nil {
		t.Errorf("found again: %v, %v", ok, err)
	}
	if len(x.b.warned) != 1 || !strings.Contains(x.b.warned[0], "its digest is") {
		t.Errorf("warnings %q", x.b.warned)
	}
}
