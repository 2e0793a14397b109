// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// A push that is interrupted at any request leaves no tag, and the next push completes it.
func TestInterruptedPush(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	o := oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}}
	for stop := 1; ; stop++ {
		host := ocitest.MemoryRegistry(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		cut := ocitest.RoundTripper(func(r *http.Request) (*http.Response, error) {
			if int(n.Add(1)) >= stop {
				cancel()
				return nil, errors.New("the machine is off")
			}
			return http.DefaultTransport.RoundTrip(r)
		})
		_, err := registry.Client{Transport: cut, Backoff: ocitest.QuickRetry(), Transfer: oci.Transfer{Jobs: 1}}.Push(ctx, s, "carosbuild/sample:1", host+"/x:1", o)
		cancel()
		if err == nil {
			if stop < 8 {
				t.Errorf("a push of %d requests", stop)
			}
			return
		}
		if _, err := (registry.Client{Backoff: ocitest.QuickRetry()}).Resolve(t.Context(), host+"/x:1", ""); err == nil {
			t.Errorf("request %d: the tag is there", stop)
		}
		if stop%4 == 0 {
			if _, err := (registry.Client{}).Push(t.Context(), s, "carosbuild/sample:1", host+"/x:1", o); err != nil {
				t.Errorf("request %d: the next push: %v", stop, err)
			}
		}
	}
}

// A push to a registry that is overloaded for a while succeeds all the same.
func TestPushRetries(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	for _, status := range []int{429, 500, 502, 503} {
		var n atomic.Int64
		host := ocitest.MemoryRegistry(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if i := n.Add(1); i%5 == 2 || i%7 == 3 {
					_, _ = io.Copy(io.Discard, r.Body)
					w.WriteHeader(status)
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		h, err := registry.Client{Backoff: ocitest.QuickRetry(), Transfer: oci.Transfer{Jobs: 1}}.Push(t.Context(), s, "carosbuild/sample:1", host+"/x:1", oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}})
		if err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if ref, err := (registry.Client{Backoff: ocitest.QuickRetry()}).Resolve(t.Context(), host+"/x:1", ""); err != nil || !strings.HasSuffix(ref, "@"+h.String()) {
			t.Errorf("%d: %s %v", status, ref, err)
		}
	}
}

// A registry's answer is used only if it has the requested digest.
func TestPullFromLiar(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	var lie atomic.Pointer[func([]byte) []byte]
	host := ocitest.MemoryRegistry(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f := lie.Load()
			if f == nil || r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/blobs/") {
				h.ServeHTTP(w, r)
				return
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			body := (*f)(rec.Body.Bytes())
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			w.WriteHeader(rec.Code)
			_, _ = w.Write(body)
		})
	})
	if _, err := (registry.Client{}).Push(t.Context(), s, "carosbuild/sample:1", host+"/x:1", oci.PushOptions{Cache: oci.BlobCache{Dir: t.TempDir()}}); err != nil {
		t.Fatal(err)
	}
	fresh := openStoreAt(t, filepath.Join(t.TempDir(), "fresh"))
	for name, f := range map[string]func([]byte) []byte{
		"other bytes": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"fewer":       func(b []byte) []byte { return b[:len(b)/2] },
		"more":        func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, 1<<16)...) },
		"none":        func([]byte) []byte { return nil },
	} {
		lie.Store(&f)
		if _, err := fresh.Pull(t.Context(), registry.Client{Backoff: ocitest.QuickRetry()}, host+"/x:1", "amd64"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if layers, err := fresh.store.Layers(); err != nil || len(layers) != 0 {
		t.Errorf("layers: %v %v", layers, err)
	}
	lie.Store(nil)
	if _, err := fresh.Pull(t.Context(), registry.Client{}, host+"/x:1", "amd64"); err != nil {
		t.Error(err)
	}
}

// An export removes what a killed export left beside its archive and in its layout, and
// leaves nothing itself.
func TestExportSweeps(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	dir := t.TempDir()
	for _, f := range []string{".x.tar.new-123", ".y.tar.new-123"} {
		if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := oci.PushOptions{Cache: oci.BlobCache{Dir: filepath.Join(dir, "cache")}}
	for _, to := range []string{"docker-archive:" + filepath.Join(dir, "x.tar"), "oci:" + filepath.Join(dir, "layout")} {
		if err := oci.Export(t.Context(), s, "carosbuild/sample:1", to, oci.Transfer{}, o); err != nil {
			t.Error(err)
		}
	}
	for pattern, want := range map[string]int{".*": 1, "layout/.*": 0, "layout/blobs/sha256/.*": 0, "cache/blobs/sha256/.*": 0} { // y.tar is another's
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) != want {
			t.Errorf("left behind: %q %v", left, err)
		}
	}
}
