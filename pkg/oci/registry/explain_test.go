// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// allTo sends the requests for every host to one server.
func allTo(srv *httptest.Server) http.RoundTripper {
	t := srv.Client().Transport.(*http.Transport).Clone()
	t.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}
	return t
}

// An error at a registry comes with the setting that would change it.
func TestRegistryMessages(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	says := func(status int, header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" && status != http.StatusUnauthorized {
				return
			}
			w.Header().Set("Content-Type", header)
			if status == http.StatusUnauthorized {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	const entry = "# a comment\n[[registry]]\nlocation = \"reg.test:5000\"\n"
	const login = `{"auths": {
  "reg.test:5000": {"auth": "am9lOnNlY3JldA=="}}}`
	own := ".config/containers/registries.conf.d/reg.test-5000.conf"
	if os.Getuid() == 0 {
		own = "/etc/containers/registries.conf.d/reg.test-5000.conf"
	}
	for _, tt := range []struct {
		name       string
		tls        bool
		conf, auth string
		answer     http.HandlerFunc
		what, cure string
	}{
		{"plain HTTP", false, "", "", img.serve, "reg.test:5000 does not speak TLS", own},
		{"plain HTTP with an entry", false, entry, "", img.serve, "does not speak TLS", "write `insecure = true` into the entry at HOME/.config/containers/registries.conf:3"},
		{"no login", true, "", "", says(401, "", ""), "requires a login for reg.test:5000/a/b, and there is none", "podman login reg.test:5000"},
		{"wrong login", true, "", login, says(401, "", ""), "refuses the login of joe", "the login is from HOME/.config/containers/auth.json:2"},
		{"no such tag", true, entry, "", says(404, "application/json", `{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no"}]}`), "reg.test:5000/a/b has no tag c (404 Not Found, MANIFEST_UNKNOWN: no)", "registries.conf:3"},
		{"a login page", true, "", "", says(200, "text/html; charset=utf-8", "<html><title>Sign\n in</title>"), `https://reg.test:5000/v2/a/b/manifests/c is a web page ("Sign in")`, "is reg.test:5000 a registry?"},
		{"a page that says it is a manifest", true, "", "", says(200, string(types.OCIManifestSchema1), "<!doctype html><title>Hello</title>"), `is a web page ("Hello")`, "is reg.test:5000 a registry?"},
		{"a login page in place of a token", true, "", "", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				w.Header().Set("WWW-Authenticate", `Bearer realm="https://reg.test:5000/token"`)
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, "<html><title>Sign in</title>")
		}, "gives as a token is a web page", "is reg.test:5000 a registry?"},
		{"an endless body in place of a manifest", true, "", "", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", string(types.OCIManifestSchema1))
			for b := bytes.Repeat([]byte("{ "), 32<<10); r.URL.Path != "/v2/"; {
				if _, err := w.Write(b); err != nil {
					return
				}
			}
		}, "reg.test:5000 sends more than 32 MiB in answer to /v2/a/b/manifests/c", "is reg.test:5000 a registry?"},
		{"hostile words", true, "", "", says(404, "application/json", `{"errors":[{"code":"\u001b[2J","message":"a\n::set-output name=x::y"}]}`), "(404 Not Found, \uFFFD[2J: a ::set-output name=x::y)", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := podmanHome(t, map[string]string{".config/containers/registries.conf": tt.conf, ".config/containers/auth.json": orEmpty(tt.auth)})
			srv := httptest.NewUnstartedServer(tt.answer)
			if tt.tls {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			r.Transport, r.Backoff = allTo(srv), ocitest.QuickRetry()
			if tt.tls {
				r.Transport.(*http.Transport).TLSClientConfig.ServerName = "example.com" // of the test's certificate
			}
			_, err := r.Resolve(t.Context(), "reg.test:5000/a/b:c", "")
			checkMessage(t, r, err, tt.what, tt.cure)
		})
	}
}

func orEmpty(auth string) string {
	if auth == "" {
		return "{}"
	}
	return auth
}

func checkMessage(t *testing.T, r Client, err error, what, cure string) {
	t.Helper()
	if err == nil || !IsNetwork(err) || !strings.Contains(err.Error(), what) {
		t.Errorf("got %v, network %t, want %q", err, IsNetwork(err), what)
	}
	if got := strings.Join(Remedies(err), "\n"); !strings.Contains(got, strings.ReplaceAll(cure, "HOME", r.root)) {
		t.Errorf("remedy %q, want %q", got, cure)
	}
}

// A registry with a certificate authority of its own is trusted once the authority
// is in certs.d, or if the registry is declared as insecure.
func TestOwnAuthority(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	srv := httptest.NewTLSServer(http.HandlerFunc(img.serve))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "https://")
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	for _, tt := range []struct {
		name  string
		files map[string]string
		ok    bool
	}{
		{"unknown", nil, false},
		{"in the user's certs.d", map[string]string{".config/containers/certs.d/" + host + "/ca.crt": ca}, true},
		{"in the system's certs.d", map[string]string{"etc/containers/certs.d/" + host + "/ca.crt": ca}, true},
		{"in docker's certs.d", map[string]string{"etc/docker/certs.d/" + host + "/ca.crt": ca}, true},
		{"of another host", map[string]string{"etc/containers/certs.d/127.0.0.1/ca.crt": ca}, false},
		{"insecure", map[string]string{".config/containers/registries.conf": "[[registry]]\nlocation = \"" + host + "\"\ninsecure = true\n"}, true},
	} {
		r := podmanHome(t, tt.files)
		r.Backoff = ocitest.QuickRetry()
		err := openImage(t, r, host+"/x:1")
		if tt.ok {
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		checkMessage(t, r, err, "an authority that this machine does not know", filepath.Join("containers/certs.d", host, "ca.crt"))
	}
}

// If a mirror fails, this is reported, and the registry itself is asked; the image
// is pinned under the name that was asked for.
func TestMirrors(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "x")))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/empty/") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		img.serve(w, r)
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	var notes []string
	r := podmanHome(t, map[string]string{".config/containers/registries.conf": `[[registry]]
location = "docker.io/library"
[[registry.mirror]]
location = "` + host + `/empty"
[[registry.mirror]]
location = "` + host + `/full"
`})
	r.Events = func(e oci.Event) {
		if e.Kind == "note" {
			notes = append(notes, e.Text)
		}
	}
	h, _, err := v1.SHA256(strings.NewReader(string(img.manifest)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Resolve(t.Context(), "docker.io/debian:12", "amd64")
	if want := "index.docker.io/library/debian@" + h.String(); err != nil || got != want {
		t.Errorf("got %s %v, want %s", got, err, want)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], host+"/empty/debian:12, in place of docker.io/library/debian:12: ") || !strings.Contains(notes[0], "trying "+host+"/full/debian:12") {
		t.Errorf("said %q", notes)
	}
	if err := openImage(t, r, got); err != nil {
		t.Errorf("by its pinned name: %v", err)
	}
}

// If a registry refuses a push, the error says so, and what can be done.
func TestPushMessages(t *testing.T) {
	for _, tt := range []struct {
		method     string
		status     int
		what, cure string
	}{
		{http.MethodPatch, 413, "refuses a layer for its size (413", "client_max_body_size 0"},
		{http.MethodPatch, 405, "refuses an upload (PATCH 405", "a mirror, which cannot be pushed to"},
		{http.MethodPost, 405, "refuses an upload (POST 405", "a mirror, which cannot be pushed to"},
		{http.MethodPost, 404, "does not take images for", "may have to be made there first"},
		{http.MethodPost, 403, "requires a login for", "podman login"},
		{http.MethodPut, 500, "answers 500", ""},
		{http.MethodHead, 503, "answers 503", ""},
	} {
		var asked atomic.Int64
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.Method == tt.method:
				asked.Add(1)
				w.WriteHeader(tt.status)
			case r.Method == http.MethodPost, r.Method == http.MethodPatch:
				w.Header().Set("Location", "/v2/a/b/blobs/uploads/1")
				w.WriteHeader(http.StatusAccepted)
			case r.URL.Path != "/v2/":
				w.WriteHeader(http.StatusNotFound)
			}
		}))
		r := podmanHome(t, nil)
		r.Backoff = ocitest.QuickRetry()
		l := ocitest.NewLayout(t)
		l.Index(l.Image(ocitest.MakeTar(t, ocitest.Reg("f", "x")), nil))
		img, err := oci.OpenLayout(l.Dir, "", "", oci.PlatformOf("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		err = pushTo(t, r, img, strings.TrimPrefix(srv.URL, "http://")+"/a/b:c")
		srv.Close()
		checkMessage(t, r, err, tt.what, tt.cure)
		if n := int(asked.Load()); tt.status == 503 && n != ocitest.QuickRetry().Steps {
			t.Errorf("%d: asked %d times, want %d", tt.status, n, ocitest.QuickRetry().Steps)
		}
		if tt.status == 500 && (int(asked.Load()) < ocitest.QuickRetry().Steps || int(asked.Load()) > 2*ocitest.QuickRetry().Steps) {
			t.Errorf("%d: asked %d times for two blobs", tt.status, asked.Load())
		}
	}
}

// pushTo pushes an image in the same way as a Store does.
func pushTo(t *testing.T, r Client, img v1.Image, dst string) error {
	t.Helper()
	conf, err := r.settings()
	if err != nil {
		t.Fatal(err)
	}
	at, err := conf.target(dst)
	if err != nil {
		return err
	}
	s, err := r.connect(t.Context(), conf, at)
	if err != nil {
		return err
	}
	_, err = s.push(t.Context(), dst, func() (v1.Image, error) { return img, nil })
	return err
}

// A push works to a registry that does not know HEAD, and through a proxy that
// forbids it.
func TestPushWithoutHead(t *testing.T) {
	for _, status := range []int{http.StatusMethodNotAllowed, http.StatusForbidden, http.StatusBadRequest, http.StatusNotImplemented} {
		host := ocitest.MemoryRegistry(t, func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodHead {
					w.WriteHeader(status)
					return
				}
				h.ServeHTTP(w, r)
			})
		})
		l := ocitest.NewLayout(t)
		l.Index(l.Image(ocitest.MakeTar(t, ocitest.Reg("f", "x")), nil))
		img, err := oci.OpenLayout(l.Dir, "", "", oci.PlatformOf("amd64"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := pushTo(t, Client{Backoff: ocitest.QuickRetry()}, img, host+"/a/b:c"); err != nil {
				t.Errorf("HEAD answered with %d: %v", status, err)
			}
		}
		if err := openImage(t, Client{}, host+"/a/b:c"); err != nil {
			t.Error(err)
		}
	}
}

// If a tag is missing, the existing tags are named, the most similar first.
func TestMissingTag(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/tags/list"):
			fmt.Fprint(w, `{"name":"a","tags":["1","2","bookworm-20261101","bookworm","3","4","5","6","7"]}`)
		case r.URL.Path != "/v2/":
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	_, err := Client{}.Resolve(t.Context(), host+"/a:bookwrom", "")
	checkMessage(t, Client{}, err, host+"/a has no tag bookwrom (404 Not Found)", "tags there: bookworm-20261101, bookworm, 1, 2, 3, 4, 5, 6 and more")
}

// Messages while waiting contain no signed addresses and no pages of other servers.
func TestReason(t *testing.T) {
	for err, want := range map[error]string{
		&url.Error{Op: "Get", URL: "https://cdn.example/x?Signature=secret", Err: io.ErrUnexpectedEOF}:                         "unexpected EOF",
		fmt.Errorf("x: %w", &url.Error{URL: "https://cdn.example/x?s", Err: &slowError{"cdn", "sent no answer", time.Second}}): "cdn sent no answer within 1s",
		&transport.Error{StatusCode: 502}: "502 Bad Gateway",
		errors.New("a\x1bb\n"):            "a\uFFFDb",
	} {
		if got := reason(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// Only errors caused by a registry or by the network count as theirs.
func TestIsNetwork(t *testing.T) {
	for err, want := range map[error]bool{
		&AccessError{What: "blocked"}:                                        false,
		&AccessError{What: "x", err: errors.New("404")}:                      true,
		errors.Join(errors.New("a"), &slowError{what: "sent nothing"}):       true,
		&os.PathError{Op: "open", Path: "/x", Err: os.ErrNotExist}:           false,
		fmt.Errorf("pull: %w", &net.OpError{Op: "dial", Err: net.ErrClosed}): true,
	} {
		if IsNetwork(err) != want {
			t.Errorf("%v: want %t", err, want)
		}
	}
}
