// SPDX-License-Identifier: MPL-2.0

package stepcache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// ErrNone says that a place does not have the result of a step.
var ErrNone = errors.New("no such result")

// Place is a place with results: a repository of a registry or a directory.
type Place struct {
	Name   string // as it was given
	Limits oci.Limits
	images images
}

// images are the images of a registry's repository, or of a layout.
type images interface {
	Image(ctx context.Context, tag string) (oci.Source, error)
	Write(ctx context.Context, tag string, image oci.Stored, t oci.Transfer, o oci.PushOptions) error
	Tags(ctx context.Context) ([]string, error)
	Remove(ctx context.Context, images map[string]oci.Digest) error
}

// Open prepares the use of a place, named REGISTRY/REPOSITORY or oci:DIR. It is
// valid as long as ctx. Nothing is looked up yet.
func Open(ctx context.Context, client registry.Client, ref string) (*Place, error) {
	p := &Place{Name: strings.TrimPrefix(ref, "docker://"), Limits: oci.Limits{}.WithDefaults()}
	r, err := oci.ParseReference(ref)
	if err == nil {
		err = Check(ref)
	}
	if err != nil {
		return nil, err
	}
	if r.Kind == oci.KindLayout {
		p.images = &oci.SharedLayout{Dir: r.Path}
		return p, nil
	}
	p.images, err = client.Repository(ctx, ref)
	return p, err
}

// Check refuses a name that is not valid for a place.
func Check(ref string) error {
	r, err := oci.ParseReference(ref)
	if err != nil {
		return err
	}
	switch r.Kind {
	case oci.KindLayout:
		if r.Name != "" || r.Digest != "" {
			return fmt.Errorf("%q has a tag or a digest: want oci:DIR alone", ref)
		}
	case oci.KindRegistry:
		host, repository, _ := strings.Cut(r.Name, "/")
		switch {
		case strings.HasPrefix(r.Name, "https://"), strings.HasPrefix(r.Name, "http://"):
			return fmt.Errorf("%q: leave out the %s", ref, r.Name[:strings.Index(r.Name, "//")+2])
		case repository == "" || !strings.ContainsAny(host, ".:") && host != "localhost":
			return fmt.Errorf("%q: want REGISTRY/REPOSITORY or oci:DIR", ref)
		case strings.ContainsAny(repository, ":@"):
			return fmt.Errorf("%q has a tag or a digest: want REGISTRY/REPOSITORY alone", ref)
		case strings.ToLower(repository) != repository:
			return fmt.Errorf("%q: the name of a repository is in lower case", ref)
		}
	default:
		return fmt.Errorf("%q: want REGISTRY/REPOSITORY or oci:DIR", ref)
	}
	return nil
}

// Lookup returns the result of a step, whose parent is the step that it is based
// on, or ErrNone. Its layers are not fetched. An error for which Unusable is true
// is about this result, and any other error is about the place.
func (p *Place) Lookup(ctx context.Context, key, parent string) (Entry, error) {
	tag, err := Tag(key)
	if err != nil {
		return Entry{}, err
	}
	src, err := p.images.Image(ctx, tag)
	if errors.Is(err, oci.ErrNoImage) {
		return Entry{}, ErrNone
	}
	if err != nil {
		return Entry{}, err
	}
	e, err := p.entry(ctx, src, key, parent)
	if err != nil {
		return Entry{}, err
	}
	e.Source = src
	return e, nil
}

func (p *Place) entry(ctx context.Context, src oci.Source, key, parent string) (Entry, error) {
	c, err := src.Check(ctx, p.Limits)
	if err != nil {
		return Entry{}, err
	}
	m, err := src.Image.Manifest()
	if err != nil {
		return Entry{}, err
	}
	return parse(key, parent, m.Annotations, c)
}

// Unusable reports whether an error of Lookup is about that result alone: it is
// damaged, or not the result of the step. Otherwise the place cannot be reached or
// refuses to answer.
func Unusable(err error) bool {
	var access *registry.AccessError
	return !registry.IsNetwork(err) && !errors.As(err, &access)
}

// Put writes the result of a step: layers gives the contents of its layers. A tag never
// names an image with missing parts.
func (p *Place) Put(ctx context.Context, m Meta, r Result, layers []oci.StoredLayer, t oci.Transfer, o oci.PushOptions) error {
	tag, err := Tag(m.Key)
	if err != nil {
		return err
	}
	if len(layers) != len(r.Layers) {
		return fmt.Errorf("%d of %d layers are stored", len(layers), len(r.Layers))
	}
	img, err := image(m, r)
	if err != nil {
		return err
	}
	img.Layers = layers
	return p.images.Write(ctx, tag, img, t, o)
}

// PutPast stores what a stage was made from, under a name that is valid in a tag: as an
// image without layers, with the text in a label.
func (p *Place) PutPast(ctx context.Context, name string, past []byte, at time.Time, t oci.Transfer, o oci.PushOptions) error {
	c := oci.NewConfig("")
	c.Config.Labels = map[string]string{pastAnnotation: string(past)}
	c.SetLayers([]oci.Digest{})
	config, err := json.Marshal(c.ConfigFile)
	if err != nil {
		return err
	}
	notes := map[string]string{pastAnnotation: oci.DigestOf(past).String(), formatAnnotation: format}
	noteWritten(notes, at)
	return p.images.Write(ctx, pastTag+name, oci.Stored{ID: oci.DigestOf(config).Hex, Config: config, Annotations: notes}, t, o)
}

// Past returns what a stage was made from, or ErrNone.
func (p *Place) Past(ctx context.Context, name string) ([]byte, error) {
	if !tagForm().MatchString(pastTag + name) {
		return nil, ErrNone
	}
	src, err := p.images.Image(ctx, pastTag+name)
	if errors.Is(err, oci.ErrNoImage) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	c, err := src.Check(ctx, p.Limits)
	if err != nil {
		return nil, err
	}
	text, ok := c.Config.Config.Labels[pastAnnotation]
	if !ok {
		return nil, ErrNone
	}
	return []byte(text), nil
}
