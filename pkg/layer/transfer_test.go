// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func quickRetry() remote.Backoff {
	return remote.Backoff{Duration: time.Millisecond, Factor: 1, Steps: 4}
}

// memoryRegistry is a registry in this process; wrap may interfere.
func memoryRegistry(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		h = wrap(h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return strings.TrimPrefix(srv.URL, "http://")
}

// A push that ends at any request leaves no tag, and the next push completes
// it.
func TestInterruptedPush(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	o := PushOptions{Cache: BlobCache{t.TempDir()}}
	for stop := 1; ; stop++ {
		host := memoryRegistry(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		cut := roundTripper(func(r *http.Request) (*http.Response, error) {
			if int(n.Add(1)) >= stop {
				cancel()
				return nil, errors.New("the machine is off")
			}
			return http.DefaultTransport.RoundTrip(r)
		})
		_, err := Registry{Transport: cut, retry: quickRetry(), Transfer: Transfer{Jobs: 1}}.Push(ctx, s, "carosbuild/sample:1", host+"/x:1", o)
		cancel()
		if err == nil {
			if stop < 8 {
				t.Errorf("a push of %d requests", stop)
			}
			return
		}
		if _, err := (Registry{retry: quickRetry()}).Resolve(t.Context(), host+"/x:1", ""); err == nil {
			t.Errorf("request %d: the tag is there", stop)
		}
		if stop%4 == 0 {
			if _, err := (Registry{}).Push(t.Context(), s, "carosbuild/sample:1", host+"/x:1", o); err != nil {
				t.Errorf("request %d: the next push: %v", stop, err)
			}
		}
	}
}

// A registry that is overloaded for a while gets the image all the same.
func TestPushRetries(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	for _, status := range []int{429, 500, 502, 503} {
		var n atomic.Int64
		host := memoryRegistry(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if i := n.Add(1); i%5 == 2 || i%7 == 3 {
					_, _ = io.Copy(io.Discard, r.Body)
					w.WriteHeader(status)
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		h, err := Registry{retry: quickRetry(), Transfer: Transfer{Jobs: 1}}.Push(t.Context(), s, "carosbuild/sample:1", host+"/x:1", PushOptions{Cache: BlobCache{t.TempDir()}})
		if err != nil {
			t.Errorf("%d: %v", status, err)
		}
		if ref, err := (Registry{retry: quickRetry()}).Resolve(t.Context(), host+"/x:1", ""); err != nil || !strings.HasSuffix(ref, "@"+h.String()) {
			t.Errorf("%d: %s %v", status, ref, err)
		}
	}
}

// What a registry gives is taken only when it has the digest that was asked
// for.
func TestPullFromLiar(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	buildSample(t, s)
	var lie atomic.Pointer[func([]byte) []byte]
	host := memoryRegistry(t, func(h http.Handler) http.Handler {
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
	if _, err := (Registry{}).Push(t.Context(), s, "carosbuild/sample:1", host+"/x:1", PushOptions{Cache: BlobCache{t.TempDir()}}); err != nil {
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
		if _, err := fresh.Pull(t.Context(), Registry{retry: quickRetry()}, host+"/x:1", "amd64"); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if layers, err := fresh.store.Layers(); err != nil || len(layers) != 0 {
		t.Errorf("layers: %v %v", layers, err)
	}
	lie.Store(nil)
	if _, err := fresh.Pull(t.Context(), Registry{}, host+"/x:1", "amd64"); err != nil {
		t.Error(err)
	}
}

// Credentials do not leave the registry's site.
func TestCredentialsStay(t *testing.T) {
	for _, tt := range []struct {
		registry, host string
		want           bool
	}{
		{"ghcr.io", "ghcr.io", true},
		{"ghcr.io", "auth.ghcr.io", true},
		{"ghcr.io", "evil.io", false},
		{"index.docker.io", "auth.docker.io", true},
		{"index.docker.io", "docker.io.evil.example", false},
		{"registry.gitlab.com", "gitlab.com:443", true},
		{"registry.gitlab.com", "gitlab.com.evil.example", false},
		{"registry.gitlab.com", "evilgitlab.com", false},
		{"foo.co.uk", "evil.co.uk", false},
		{"registry.foo.co.uk", "login.foo.co.uk", true},
		{"127.0.0.1:5000", "127.0.0.1:6000", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"localhost:5000", "evil.example", false},
	} {
		if got := sameSite(tt.registry, tt.host); got != tt.want {
			t.Errorf("%s to %s: %t, want %t", tt.registry, tt.host, got, tt.want)
		}
		g := &guard{host: tt.registry, plain: Registry{}.plain, limits: Deadlines{}.withDefaults(), next: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") })}
		req, err := http.NewRequest(http.MethodGet, "https://"+tt.host+"/token", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.RoundTrip(req); err == nil || err.Error() != "sent" {
			t.Errorf("%s without credentials: %v", tt.host, err)
		}
		req.SetBasicAuth("user", "secret")
		if _, err := g.RoundTrip(req); (err.Error() == "sent") != tt.want {
			t.Errorf("%s to %s: %v", tt.registry, tt.host, err)
		}
	}
}

// A registry cannot lead to addresses of the network that one is in.
func TestRedirectsStayOutside(t *testing.T) {
	g := &guard{host: "reg.example", plain: Registry{}.plain, limits: Deadlines{}.withDefaults(), next: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") })}
	for to, want := range map[string]string{
		"https://169.254.169.254/latest": "an address of this network", "https://10.0.0.1/x": "an address of this network", "http://127.0.0.1/x": "an address of this network",
		"https://[fd00::1]/x": "an address of this network", "https://cdn.example/x": "sent", "https://192.0.2.1/x": "sent", "https://reg.example/x": "sent",
	} {
		first, err := http.NewRequest(http.MethodGet, "https://reg.example/v2/x/blobs/sha256:0", nil)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequest(http.MethodGet, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Response = &http.Response{Request: first}
		if _, err := g.RoundTrip(req); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", to, err, want)
		}
	}
}

// An export removes what a killed one has left beside its archive and in its
// layout, and leaves nothing itself.
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
	o := PushOptions{Cache: BlobCache{filepath.Join(dir, "cache")}}
	for _, to := range []string{"docker-archive:" + filepath.Join(dir, "x.tar"), "oci:" + filepath.Join(dir, "layout")} {
		if err := Export(t.Context(), s, "carosbuild/sample:1", to, Transfer{}, o); err != nil {
			t.Error(err)
		}
	}
	for pattern, want := range map[string]int{".*": 1, "layout/.*": 0, "layout/blobs/sha256/.*": 0, "cache/blobs/sha256/.*": 0} { // y.tar is another's
		if left, err := filepath.Glob(filepath.Join(dir, pattern)); err != nil || len(left) != want {
			t.Errorf("left behind: %q %v", left, err)
		}
	}
}

func TestPulledName(t *testing.T) {
	const digest = "@sha256:0123"
	for _, tt := range []struct{ ref, repository, want string }{
		{"debian", "index.docker.io/library/debian", "docker.io/library/debian:latest"},
		{"docker://r.example.org:5000/a/b:1", "r.example.org:5000/a/b", "r.example.org:5000/a/b:1"},
		{"r.example.org:5000/a/b", "r.example.org:5000/a/b", "r.example.org:5000/a/b:latest"},
		{"r.example.org/a:1" + digest, "r.example.org/a", "r.example.org/a:1"},
		{"r.example.org/a" + digest, "r.example.org/a", ""},
		{"oci:dir:tag", "oci:dir", ""},
		{"docker-archive:x.tar", "docker-archive:x.tar", ""},
	} {
		if got := NameOf(tt.ref, tt.repository+digest); got != tt.want {
			t.Errorf("%s is called %q, want %q", tt.ref, got, tt.want)
		}
	}
}
