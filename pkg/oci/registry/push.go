// SPDX-License-Identifier: MPL-2.0

package registry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Push uploads an image of a store, named or by its id, to a registry and returns
// the digest of its manifest. Layers and config are uploaded first, then the
// manifest, under the tag: a tag never names an image with missing parts, and an
// interrupted push is completed by the next one. What the registry already has is
// not uploaded again.
func (c Client) Push(ctx context.Context, from oci.Images, image, dst string, o oci.PushOptions) (v1.Hash, error) {
	h, err := c.push(ctx, from, image, dst, o)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("push %s to %s: %w", image, dst, err)
	}
	return h, nil
}

func (c Client) push(ctx context.Context, from oci.Images, image, dst string, o oci.PushOptions) (v1.Hash, error) {
	i, err := from.Stored(image)
	if err != nil {
		return v1.Hash{}, err
	}
	conf, err := c.settings()
	if err != nil {
		return v1.Hash{}, err
	}
	dst = strings.TrimPrefix(dst, "docker://")
	at, err := conf.target(dst)
	if err != nil {
		return v1.Hash{}, err
	}
	remoteEnd, err := c.connect(ctx, conf, at)
	if err != nil {
		return v1.Hash{}, err
	}
	return remoteEnd.push(ctx, dst, func() (v1.Image, error) { return i.Compress(ctx, c.Transfer, o) })
}

// push uploads the image that prepare makes.
func (s *session) push(ctx context.Context, dst string, prepare func() (v1.Image, error)) (v1.Hash, error) {
	tag, ok := s.ref.(name.Tag)
	if !ok {
		return v1.Hash{}, errors.New("the target has a digest: want a tag, the digest comes of the image")
	}
	// Report that the registry is unreachable, or refuses access, before
	// compressing everything.
	there, err := s.head(tag)
	if err = s.notJSON(err); err != nil {
		return v1.Hash{}, s.Explain(ctx, err)
	}
	img, err := prepare()
	if err != nil {
		return v1.Hash{}, err
	}
	h, err := img.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	if there == h {
		s.client.Tell(oci.Event{Kind: "push", Name: dst, Digest: h.String(), Done: -1})
		return h, nil
	}
	if ctx.Err() != nil {
		return v1.Hash{}, ctx.Err()
	}
	return h, s.Explain(ctx, s.write(ctx, tag, img, dst))
}

// head is the digest that a tag names, or none. A registry need not answer this
// request; other problems show up during the upload.
func (s *session) head(tag name.Tag) (v1.Hash, error) {
	d, err := remote.Head(tag, s.opts...)
	var t *transport.Error
	var final *finalError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return d.Digest, nil
	case errors.As(err, &t) && t.StatusCode != http.StatusUnauthorized && !errors.As(err, &final):
		return v1.Hash{}, nil
	case IsNetwork(err), errors.As(err, &syntax):
		return v1.Hash{}, err
	}
	return v1.Hash{}, nil // the answer lacks the headers
}

// write uploads an image: its layers and config, then the manifest.
func (s *session) write(ctx context.Context, tag name.Tag, img v1.Image, dst string) error {
	pusher, err := remote.NewPusher(s.opts...)
	if err != nil {
		return err
	}
	return s.upload(ctx, pusher, tag, img, dst)
}

func (s *session) upload(ctx context.Context, pusher *remote.Pusher, tag name.Tag, img v1.Image, dst string) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	config, err := partial.ConfigLayer(img)
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.client.Parallel())
	for _, l := range append(layers, config) {
		g.Go(func() error {
			counted, err := s.counted(gctx, l, dst)
			if err != nil {
				return err
			}
			err = s.uploadLayer(gctx, pusher, counted)
			if err == nil {
				counted.report(math.MaxInt64)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.repeat(ctx, func() error { return pusher.Put(ctx, tag, img) })
}

// repeat repeats a part of an upload after an error of the registry or the network.
func (s *session) repeat(ctx context.Context, f func() error) error {
	for attempt := 1; ; attempt++ {
		err := f()
		var t *transport.Error
		var busy *busyError
		var final *finalError
		again := (errors.As(err, &t) && t.Temporary() || cutOff(err)) && !errors.As(err, &busy) && !errors.As(err, &final) && s.rt.answered()
		if err == nil || !again || attempt >= s.client.backoff().Steps || ctx.Err() != nil {
			return err
		}
		wait := s.client.pause(attempt)
		s.rt.waiting(reason(err), wait)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// countedLayer reports how much of a layer has been read.
type countedLayer struct {
	v1.Layer
	report func(int64)
	open   func() (io.ReadCloser, error)
}

func (s *session) counted(ctx context.Context, l v1.Layer, dst string) (*countedLayer, error) {
	h, err := l.Digest()
	if err != nil {
		return nil, err
	}
	size, err := l.Size()
	c := &countedLayer{Layer: l, report: func(n int64) {
		s.client.Tell(oci.Event{Kind: "push", Name: dst, Digest: h.String(), Done: min(n, size), Total: size})
	}}
	c.open = func() (io.ReadCloser, error) {
		rc, err := l.Compressed()
		if err != nil {
			return nil, err
		}
		return struct {
			io.Reader
			io.Closer
		}{oci.ProgressReader(ctx, rc, 0, c.report), rc}, nil
	}
	return c, err
}

// Compressed implements v1.Layer.
func (l *countedLayer) Compressed() (io.ReadCloser, error) { return l.open() }
