// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// imageOf is an image with one layer of about that size in bytes.
func imageOf(t *testing.T, size int) v1.Image {
	t.Helper()
	l := ocitest.NewLayout(t)
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // cannot fail
	l.Index(l.Image(ocitest.MakeTar(t, ocitest.Reg("f", string(b))), nil))
	img, err := oci.OpenLayout(l.Dir, "", "", oci.PlatformOf("amd64"))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// limited is a registry behind a proxy that limits the size of a request. It notes
// the sizes of the uploads that it has seen.
type limited struct {
	limit   int64
	noParts bool // the registry answers 416 to a part

	mu    sync.Mutex
	sizes []int64
}

func (l *limited) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch {
			h.ServeHTTP(w, r)
			return
		}
		l.mu.Lock()
		l.sizes = append(l.sizes, r.ContentLength)
		l.mu.Unlock()
		switch {
		case r.ContentLength > l.limit:
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		case l.noParts && r.Header.Get("Content-Range") != "":
			w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// A layer that is refused for its size is uploaded in parts, whose size is found by
// trying.
func TestPushInParts(t *testing.T) {
	var mu sync.Mutex
	var said []string
	r := Client{Backoff: ocitest.QuickRetry()}
	r.Jobs = 1
	r.Events = func(e oci.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == "note" {
			said = append(said, e.Text)
		}
	}
	l := &limited{limit: 300 << 10}
	host := ocitest.MemoryRegistry(t, l.wrap)
	if err := pushTo(t, r, imageOf(t, 5<<20), host+"/a/b:c"); err != nil {
		t.Fatal(err)
	}
	if err := openImage(t, Client{}, host+"/a/b:c"); err != nil {
		t.Error(err)
	}
	taken := slices.DeleteFunc(slices.Clone(l.sizes), func(n int64) bool { return n > l.limit })
	if !slices.Contains(taken, 256<<10) || len(taken) > 23 || len(l.sizes)-len(taken) > 3 {
		t.Errorf("uploads of %d bytes, want parts of %d", l.sizes, 256<<10)
	}
	if len(said) != 1 || !strings.Contains(said[0], host+" refuses a layer of 5.0 MiB at once: it is uploaded in parts of 256") {
		t.Errorf("said %q", said)
	}
}

// If the parts are refused as well, the error says that the layer was refused for
// its size.
func TestPushWithoutParts(t *testing.T) {
	for _, l := range []*limited{{limit: 300 << 10, noParts: true}, {limit: 1000}} {
		host := ocitest.MemoryRegistry(t, l.wrap)
		r := podmanHome(t, nil)
		r.Backoff = ocitest.QuickRetry()
		err := pushTo(t, r, imageOf(t, 1<<20), host+"/a/b:c")
		checkMessage(t, r, err, "refuses a layer for its size (413", "client_max_body_size 0")
	}
}

// A registry that accepted parts and no longer does is sent the whole layer.
func TestPushWholeAgain(t *testing.T) {
	l := &limited{limit: 1 << 30, noParts: true}
	host := ocitest.MemoryRegistry(t, l.wrap)
	r := Client{Backoff: ocitest.QuickRetry()}
	conf, err := r.settings()
	if err != nil {
		t.Fatal(err)
	}
	at, err := conf.target(host + "/a/b:c")
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.connect(t.Context(), conf, at)
	if err != nil {
		t.Fatal(err)
	}
	s.part.Store(256 << 10)
	img := imageOf(t, 1<<20)
	if _, err := s.push(t.Context(), host+"/a/b:c", func() (v1.Image, error) { return img, nil }); err != nil {
		t.Fatal(err)
	}
	if err := openImage(t, Client{}, host+"/a/b:c"); err != nil {
		t.Error(err)
	}
}
