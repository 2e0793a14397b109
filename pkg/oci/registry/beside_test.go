// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gate "github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// TestBeside: an image that a layout beside the registry has is taken from there, if it is
// named by its digest, and checked as one of the registry.
func TestBeside(t *testing.T) {
	l, _ := ocitest.SampleLayout(t)
	found, err := Client{}.Find(t.Context(), "oci:"+l.Dir, "amd64")
	if err != nil {
		t.Fatal(err)
	}
	_, digest, _ := strings.Cut(found.Ref, "@")
	asked := 0
	c := Client{Layout: l.Dir, Backoff: ocitest.QuickRetry(), Around: gate.Gate{Closed: true}.Around, Transport: ocitest.RoundTripper(func(*http.Request) (*http.Response, error) {
		asked++
		return nil, errors.New("asked")
	})}
	const name = "registry.example.org/caros/base"
	for ref, want := range map[string]bool{name + "@" + digest: true, "docker://" + name + ":1@" + digest: true, name + ":latest": false, name: false, name + "@sha256:" + strings.Repeat("0", 64): false} {
		if ok, err := c.Beside(ref, "amd64"); ok != want || err != nil {
			t.Errorf("%s: %v, %v", ref, ok, err)
		}
		got, err := c.Find(t.Context(), ref, "amd64")
		if want && (err != nil || got.Ref != name+"@"+digest) {
			t.Errorf("%s: %q, %v", ref, got.Ref, err)
		}
		if !want && !(netfault.Is(err) && gate.IsClosed(err.Error())) {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if asked > 0 {
		t.Errorf("asked %d times", asked)
	}
	cache := oci.TarCache{Dir: t.TempDir()}
	tars, err := c.OpenTars(t.Context(), name+"@"+digest, "amd64", cache)
	if err != nil {
		t.Fatal(err)
	}
	if err := tars.Close(); err != nil {
		t.Fatal(err)
	}
	blobs, err := filepath.Glob(filepath.Join(l.Dir, "blobs/sha256/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blobs {
		if data, err := os.ReadFile(b); err != nil || len(data) == 0 {
			continue
		}
		ocitest.FlipByte(t, b)
		tars, err := c.OpenTars(t.Context(), name+"@"+digest, "amd64", oci.TarCache{Dir: t.TempDir()})
		if err == nil {
			t.Errorf("%s: a damaged blob is used", filepath.Base(b))
			_ = tars.Close()
		}
		ocitest.FlipByte(t, b)
	}
}
