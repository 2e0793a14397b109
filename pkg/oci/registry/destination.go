// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"strings"

	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci"
)

// CheckDestination refuses what an image cannot be pushed to: a name without a
// registry, which would mean a public one, among others.
func CheckDestination(to string) error {
	name := strings.TrimPrefix(to, "docker://")
	registry, repository, _ := strings.Cut(name, "/")
	switch {
	case strings.HasPrefix(name, "https://"), strings.HasPrefix(name, "http://"):
		return fmt.Errorf("push to %q: leave out the %s", to, name[:strings.Index(name, "//")+2])
	case repository == "":
		return fmt.Errorf("push to %q: the registry or the repository is missing: want REGISTRY/REPOSITORY[:TAG]", to)
	case !strings.ContainsAny(registry, ".:") && registry != "localhost":
		return fmt.Errorf("push to %q: the registry is missing; docker.io/%s is on the public one", to, name)
	}
	return nil
}

// CheckTarget refuses what Send cannot write to, before anything is made for it.
func CheckTarget(to string) error {
	r, err := oci.ParseReference(to)
	switch {
	case err != nil:
		return err
	case r.Kind == oci.KindLayout && r.Digest == "":
		return nil
	case r.Kind == oci.KindLayout:
		return fmt.Errorf("%q has a digest: want oci:DIR[:TAG]", to)
	case r.Kind != oci.KindRegistry:
		return fmt.Errorf("%q: want REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG]", to)
	}
	if err := CheckDestination(to); err != nil {
		return err
	}
	named, err := dockerref.ParseNormalizedNamed(r.Name)
	if err != nil {
		return fmt.Errorf("%q: %w", to, err)
	}
	if _, digested := named.(dockerref.Digested); digested {
		return errors.New("the target has a digest: want a tag, the digest comes of the image")
	}
	return nil
}

// Send writes an image of a store to a registry or a layout, and returns a reference
// that names it there: with its digest, where that is known.
func (c Client) Send(ctx context.Context, from oci.Images, image, to string, o oci.PushOptions) (ref string, err error) {
	if _, file := oci.LocalFile(to); file {
		return to, oci.Export(ctx, from, image, to, c.Transfer, o)
	}
	h, err := c.Push(ctx, from, image, to, o)
	return strings.TrimPrefix(to, "docker://") + "@" + h.String(), err
}
