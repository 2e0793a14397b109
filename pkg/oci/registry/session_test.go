// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
)

// TestBlobAfterFailure: an error in one request for a blob does not end later ones.
func TestBlobAfterFailure(t *testing.T) {
	img := newSmallImage(t, ocitest.MakeTar(t, ocitest.Reg("f", "content")))
	host := img.serveAs(t, "none", nil)
	at, err := dockerref.ParseNormalizedNamed(host + "/x:1")
	if err != nil {
		t.Fatal(err)
	}
	c := podmanHome(t, nil)
	conf, err := c.settings()
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.connect(t.Context(), conf, source{name: at, at: at})
	if err != nil {
		t.Fatal(err)
	}
	h, err := v1.NewHash("sha256:0000000000000000000000000000000000000000000000000000000000000000")
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := s.blob(ended, h, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
	rc, _, err := s.blob(t.Context(), h, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
}
