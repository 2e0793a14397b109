// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// PushOptions say how an image leaves the store.
type PushOptions struct {
	Cache       BlobCache
	Compression Compression // "" is Gzip, which everything reads
}

func (o PushOptions) compression() Compression {
	if o.Compression == "" {
		return Gzip
	}
	return o.Compression
}

// Push uploads an image (a name or id of the store) to a registry and returns
// the digest of its manifest. Layers and config are uploaded first, then the
// manifest, under the tag: a tag never names an image with missing parts, and
// a push that was interrupted is completed by the next. What the registry has
// is not uploaded again.
func (s *Store) Push(ctx context.Context, r Registry, image, dst string, o PushOptions) (v1.Hash, error) {
	h, err := s.push(ctx, r, image, dst, o)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("push %s to %s: %w", image, dst, err)
	}
	return h, nil
}

func (s *Store) push(ctx context.Context, r Registry, image, dst string, o PushOptions) (v1.Hash, error) {
	i, err := s.mustImage(image)
	if err != nil {
		return v1.Hash{}, err
	}
	conf, err := r.settings()
	if err != nil {
		return v1.Hash{}, err
	}
	dst = strings.TrimPrefix(dst, "docker://")
	tag, err := name.NewTag(dst, r.nameOptions(dst, conf)...)
	if err != nil {
		return v1.Hash{}, err
	}
	opts, err := r.remoteOptions(ctx, conf, tag.RegistryStr())
	if err != nil {
		return v1.Hash{}, err
	}
	img, err := s.image(ctx, i, o.Cache, o.compression(), r)
	if err != nil {
		return v1.Hash{}, err
	}
	h, err := img.Digest()
	if err != nil {
		return v1.Hash{}, err
	}
	there, err := remote.Head(tag, opts...)
	if err == nil && there.Digest == h {
		r.event(TransferEvent{Kind: "push", Name: dst, Digest: h.String(), Done: -1})
		return h, nil
	}
	if ctx.Err() != nil {
		return v1.Hash{}, ctx.Err()
	}
	wait := r.backoff().Duration
	for attempt := 1; ; attempt++ {
		err = r.write(tag, img, dst, opts)
		if err == nil || attempt == 4 || !IsNetwork(err) || ctx.Err() != nil {
			return h, err
		}
		// What has been uploaded is not uploaded again.
		select {
		case <-time.After(wait):
			wait *= 3
		case <-ctx.Done():
			return h, ctx.Err()
		}
	}
}

// write uploads an image once, with events.
func (r Registry) write(tag name.Tag, img v1.Image, dst string, opts []remote.Option) error {
	updates := make(chan v1.Update, 64)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for u := range updates {
			r.event(TransferEvent{Kind: "push", Name: dst, Done: u.Complete, Total: u.Total})
		}
	}()
	err := remote.Write(tag, img, append(opts[:len(opts):len(opts)], remote.WithProgress(updates))...)
	<-done // Write closes the channel
	return err
}

func (s *Store) mustImage(n string) (Image, error) {
	i, ok, err := s.ImageByName(strings.TrimPrefix(n, "containers-storage:"))
	if err == nil && !ok {
		err = fmt.Errorf("image %s: %w", n, ErrUnknown)
	}
	return i, err
}
