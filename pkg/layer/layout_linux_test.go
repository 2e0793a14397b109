// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/oci/ocitest"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

func TestPullHostile(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	s := openStore(t)
	for _, tt := range ocitest.HostileImages(t) {
		t.Run(tt.Name, func(t *testing.T) {
			l := ocitest.NewLayout(t)
			tt.Build(l)
			_, err := s.Pull(t.Context(), registry.Client{}, "oci:"+l.Dir, "amd64")
			if tt.Err == "" && err != nil || tt.Err != "" && (err == nil || !strings.Contains(err.Error(), tt.Err)) {
				t.Errorf("got %v, want %q", err, tt.Err)
			}
		})
	}
	layers, err := s.store.Layers()
	if err != nil || len(layers) != 1 {
		t.Errorf("%d layers in the store, want the good one: %v", len(layers), err)
	}
}
