// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Pulled is an image whose layers are in the store.
type Pulled struct {
	Layer  string     // the top layer, "" for scratch
	Config oci.Config // the image's own
	Ref    string     // the pinned reference

	config []byte // the bytes of Config
}

// Finder looks up references to images.
type Finder interface {
	Find(ctx context.Context, ref, arch string) (oci.Source, error)
}

// Pull brings the layers of an image into the store, unless they are there. Ref is any
// reference, preferably a pinned one. Bytes are checked against their digests as they
// arrive, and nothing that fails a check gets into the store.
func (s *Store) Pull(ctx context.Context, from Finder, ref, arch string) (Pulled, error) {
	p, err := s.pull(ctx, from, ref, arch)
	if err != nil {
		return Pulled{}, fmt.Errorf("pull %s: %w", ref, err)
	}
	return p, nil
}

func (s *Store) pull(ctx context.Context, from Finder, ref, arch string) (Pulled, error) {
	src, err := from.Find(ctx, ref, arch)
	switch {
	case err != nil:
		return Pulled{}, err
	case src.StoredID != "":
		return s.stored(src)
	case src.Image == nil:
		return Pulled{Ref: src.Ref, config: []byte("{}")}, nil
	}
	c, err := src.Check(ctx, s.limit)
	if err != nil {
		return Pulled{}, err
	}
	top, err := s.pullLayers(ctx, src, c.Layers)
	if err != nil {
		return Pulled{}, err
	}
	return Pulled{Layer: top, Config: c.Config, Ref: src.Ref, config: c.Raw}, nil
}

// Keep makes an image of what was pulled, with the registry's config, gives it names, which
// other images lose, and returns its id.
func (s *Store) Keep(p Pulled, names []string) (id string, err error) {
	if names, err = oci.FullNames(names); err != nil {
		return "", fmt.Errorf("keep %s: %w", p.Ref, err)
	}
	chain, err := s.measuredChain(p.Layer)
	if err == nil {
		err = p.Config.CheckHistory()
	}
	if err != nil {
		return "", fmt.Errorf("keep %s: %w", p.Ref, err)
	}
	return s.putImage(names, p.Layer, p.config, chain, p.Config.Created.Time)
}

func (s *Store) stored(f oci.Source) (Pulled, error) {
	img, ok, err := s.ImageByName(f.StoredID)
	if err != nil || !ok {
		return Pulled{}, errors.Join(err, ErrUnknown)
	}
	cfg, config, err := s.Config(img)
	if err != nil {
		return Pulled{}, err
	}
	if err := s.unmarked(img.Top); err != nil {
		return Pulled{}, err
	}
	return Pulled{Layer: img.Top, Config: cfg, Ref: f.Ref, config: config}, nil
}

// pullLayers downloads several layers at a time and applies them in order.
func (s *Store) pullLayers(ctx context.Context, src oci.Source, layers []oci.Layer) (string, error) {
	n := len(layers)
	files := make([]chan *os.File, n)
	parents := make([]string, n+1)
	missing := n
	for i, l := range layers {
		parents[i+1] = ChainID(parents[i], l.DiffID)
		files[i] = make(chan *os.File, 1)
	}
	for i, l := range layers {
		if !s.whole(parents[i+1]) {
			missing = i
			break
		}
		src.Has(l)
	}
	g, ctx := errgroup.WithContext(ctx)
	fetches, fctx := errgroup.WithContext(ctx)
	fetches.SetLimit(src.Parallel())
	g.Go(func() error {
		for i := missing; i < n; i++ {
			fetches.Go(func() error {
				file, err := src.Fetch(fctx, layers[i], s.wip.scratchFile)
				if err == nil {
					files[i] <- file
				}
				return err
			})
		}
		return fetches.Wait()
	})
	g.Go(func() error {
		for i := missing; i < n; i++ {
			select {
			case file := <-files[i]:
				err := s.applyFile(ctx, parents[i], file, layers[i].DiffID)
				if err != nil {
					return fmt.Errorf("layer %s: %w", layers[i].Digest, err)
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := g.Wait()
	for i := range files { // downloaded, but not applied
		select {
		case file := <-files[i]:
			file.Close()
		default:
		}
	}
	return parents[n], err
}

func (s *Store) applyFile(ctx context.Context, parent string, file *os.File, want oci.Digest) error {
	defer file.Close()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := oci.Inflate(file, s.limit)
	if err != nil {
		return err
	}
	_, err = s.Apply(ctx, parent, z, want)
	return errors.Join(err, z.Close())
}
