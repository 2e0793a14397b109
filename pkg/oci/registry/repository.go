// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	dockerref "go.podman.io/image/v5/docker/reference"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Repository is one repository of a registry, for many images with a tag each:
// connections and access tokens are kept. It may be used by several goroutines.
type Repository struct {
	session *session
	puller  *remote.Puller
	pusher  *remote.Pusher
}

// Repository prepares the use of a repository, which is named without a tag. It is
// valid as long as ctx. Nothing is sent yet.
func (c Client) Repository(ctx context.Context, repository string) (*Repository, error) {
	conf, err := c.settings()
	if err != nil {
		return nil, err
	}
	at, err := conf.target(strings.TrimPrefix(repository, "docker://"))
	if err != nil {
		return nil, err
	}
	if !dockerref.IsNameOnly(at.at) {
		return nil, fmt.Errorf("%q has a tag or a digest: want a repository alone", repository)
	}
	r := &Repository{}
	if r.session, err = c.connect(ctx, conf, at); err != nil {
		return nil, err
	}
	if r.puller, err = remote.NewPuller(r.session.opts...); err != nil {
		return nil, err
	}
	r.pusher, err = remote.NewPusher(r.session.opts...)
	return r, err
}

// Image is the image of a tag, or oci.ErrNoImage. It is the same for every platform.
// Its manifest and its configuration are fetched, its layers are not.
func (r *Repository) Image(ctx context.Context, tag string) (oci.Source, error) {
	img, err := r.image(ctx, tag)
	if absent(err) {
		return oci.Source{}, oci.ErrNoImage
	}
	if err != nil {
		return oci.Source{}, r.session.Explain(ctx, err)
	}
	h, err := img.Digest()
	if err != nil {
		return oci.Source{}, err
	}
	return oci.Source{
		Ref: r.session.ref.Context().Name() + "@" + h.String(), Image: img, Remote: r.session, Transfer: r.session.client.Transfer,
	}, nil
}

func (r *Repository) image(ctx context.Context, tag string) (v1.Image, error) {
	desc, err := r.puller.Get(ctx, r.session.ref.Context().Tag(tag))
	if err != nil {
		return nil, r.session.notJSON(err)
	}
	if err := checkDocument(desc.Manifest); err != nil {
		return nil, err
	}
	if desc.MediaType.IsIndex() {
		return nil, errors.New("it is an index of images")
	}
	img, err := desc.Image()
	if err != nil {
		return nil, err
	}
	if err := r.session.expectConfig(img); err != nil {
		return nil, err
	}
	_, err = img.RawConfigFile()
	return img, err
}

// absent reports whether a registry says that an image does not exist.
func absent(err error) bool {
	var t *transport.Error
	return errors.As(err, &t) && t.StatusCode == http.StatusNotFound
}

// Write uploads an image: the blobs that the repository lacks, then the manifest,
// under the tag.
func (r *Repository) Write(ctx context.Context, tag string, image oci.Stored, t oci.Transfer, o oci.PushOptions) error {
	img, err := image.Compress(ctx, t, o)
	if err != nil {
		return err
	}
	to := r.session.ref.Context().Tag(tag)
	return r.session.Explain(ctx, r.session.upload(ctx, r.pusher, to, img, to.Name()))
}

// mostTags is the largest number of tags of a repository, and mostPages the largest number
// of pages in which they are listed.
const (
	mostTags  = 1 << 20
	mostPages = 20000
)

// Tags are the tags of all images.
func (r *Repository) Tags(ctx context.Context) ([]string, error) {
	at := r.session.ref.Context()
	l, err := r.puller.Lister(ctx, at)
	var all []string
	for pages := 0; err == nil && l.HasNext(); pages++ {
		page, e := l.Next(ctx)
		if err = e; e != nil {
			break
		}
		if all = append(all, page.Tags...); len(all) > mostTags || pages == mostPages {
			return nil, fmt.Errorf("the list of the tags of %s does not end", at)
		}
	}
	if absent(err) {
		return nil, nil
	}
	return all, r.session.Explain(ctx, err)
}

// Remove removes images by their tags, and with each all its other tags, unless its tag
// names another image meanwhile. When the blobs are removed is up to the registry.
func (r *Repository) Remove(ctx context.Context, images map[string]oci.Digest) error {
	at := r.session.ref.Context()
	for _, tag := range slices.Sorted(maps.Keys(images)) {
		d, err := r.puller.Head(ctx, at.Tag(tag))
		if err == nil && d.Digest != images[tag] {
			continue
		}
		if err == nil {
			err = r.pusher.Delete(ctx, at.Digest(d.Digest.String()))
		}
		var t *transport.Error
		switch {
		case absent(err):
		case errors.As(err, &t) && t.StatusCode == http.StatusMethodNotAllowed:
			return fmt.Errorf("%s does not permit the removal of images (of docker-registry, the setting is storage: delete: enabled: true)", at.RegistryStr())
		case err != nil:
			return fmt.Errorf("remove %s: %w", at.Tag(tag), r.session.Explain(ctx, err))
		}
	}
	return nil
}
