// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Beside reports whether the layout has the image of a registry that a reference names by
// its digest.
func (c Client) Beside(ref, arch string) (bool, error) {
	p, err := oci.ParseReference(ref)
	if err != nil || p.Kind != oci.KindRegistry {
		return false, err
	}
	_, ok, err := c.findBeside(p.Name, oci.PlatformOf(arch))
	return ok, err
}

// findBeside looks an image up in the layout, by digest alone: what a tag means, no layout
// can know for the registry.
func (c Client) findBeside(n string, platform v1.Platform) (oci.Source, bool, error) {
	if c.Layout == "" {
		return oci.Source{}, false, nil
	}
	named, err := dockerref.ParseNormalizedNamed(n)
	if err != nil {
		return oci.Source{}, false, err
	}
	digested, ok := named.(dockerref.Digested)
	if !ok {
		return oci.Source{}, false, nil
	}
	digest := digested.Digest().String()
	h, err := v1.NewHash(digest)
	if err == nil {
		err = oci.CheckDigest(h)
	}
	if err != nil {
		return oci.Source{}, false, err
	}
	if _, err := os.Stat(filepath.Join(c.Layout, "blobs", h.Algorithm, h.Hex)); errors.Is(err, fs.ErrNotExist) {
		return oci.Source{}, false, nil
	}
	img, err := oci.OpenLayout(c.Layout, "", digest, platform)
	if err != nil {
		return oci.Source{}, false, err
	}
	asked, err := name.ParseReference(dockerref.TrimNamed(named).String())
	if err != nil {
		return oci.Source{}, false, fmt.Errorf("%q: %w", n, err)
	}
	return oci.Source{Ref: asked.Context().Name() + "@" + digest, Image: img, Layout: c.Layout}, true, nil
}
