// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

func TestResolveErrors(t *testing.T) {
	answer := func(status int, header, body string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/v2/") {
				return
			}
			if header != "" {
				w.Header().Set("Content-Type", header)
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
	}
	quick := Client{Backoff: remote.Backoff{Duration: time.Millisecond, Steps: 2}}
	tests := []struct {
		name, body, header string
		status             int
		err                string
		network            bool
	}{
		{"absent", `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, "", 404, "MANIFEST_UNKNOWN", true},
		{"overloaded", "", "", 503, "503", true},
		{"no manifest", "hello", "application/vnd.oci.image.manifest.v1+json", 200, "not a JSON object", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := answer(tt.status, tt.header, tt.body)
			defer srv.Close()
			_, err := quick.Resolve(t.Context(), strings.TrimPrefix(srv.URL, "http://")+"/a/b:c", "")
			if err == nil || !strings.Contains(err.Error(), tt.err) || IsNetwork(err) != tt.network {
				t.Errorf("got %v, network %t; want %q, %t", err, IsNetwork(err), tt.err, tt.network)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		_, err := quick.Resolve(t.Context(), "127.0.0.1:1/a/b:c", "")
		if !IsNetwork(err) {
			t.Errorf("%v is an error of the network", err)
		}
	})
	t.Run("without TLS", func(t *testing.T) {
		g := &guard{host: "reg.example.com", plain: Client{}.plain, limits: Deadlines{}.withDefaults(), next: ocitest.RoundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("sent") })}
		for url, want := range map[string]string{
			"http://10.0.0.1/v2/": "without TLS", "http://x.local/v2/": "without TLS",
			"http://127.0.0.1:5000/v2/": "sent", "http://localhost/v2/": "sent", "https://10.0.0.1/v2/": "sent",
		} {
			req, err := http.NewRequest("GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := g.RoundTrip(req); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", url, err, want)
			}
		}
	})
}
