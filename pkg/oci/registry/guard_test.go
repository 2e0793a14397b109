// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

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
		g := &guard{host: tt.registry, plain: Client{}.plain, limits: Deadlines{}.withDefaults(), next: ocitest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") })}
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

// A registry cannot redirect to addresses of the local network.
func TestRedirectsStayOutside(t *testing.T) {
	g := &guard{host: "reg.example", plain: Client{}.plain, limits: Deadlines{}.withDefaults(), next: ocitest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") })}
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
