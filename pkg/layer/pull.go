// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"
)

// Pulled is an image whose layers are in the store.
type Pulled struct {
	Layer  string      // the top one, "" for scratch
	Config ImageConfig // as the image has it
	Ref    string      // the pinned reference

	config []byte // of which Config was parsed
}

// Pull brings the layers of an image into the store, unless they are there.
// Ref is any reference, best one that Resolve has pinned. Bytes are checked
// against their digests as they arrive, and nothing that fails the check, or
// that does not fit together, gets into the store.
func (s *Store) Pull(ctx context.Context, r Registry, ref, arch string) (Pulled, error) {
	p, err := s.pull(ctx, r, ref, arch)
	if err != nil {
		return Pulled{}, fmt.Errorf("pull %s: %w", ref, err)
	}
	return p, nil
}

func (s *Store) pull(ctx context.Context, r Registry, ref, arch string) (Pulled, error) {
	if r.Store.GraphRoot == "" {
		r.Store.GraphRoot = s.graph
	}
	f, err := r.find(ctx, ref, arch)
	if err != nil {
		return Pulled{}, err
	}
	if f.image == nil {
		if f.id == "" {
			return Pulled{Ref: f.pinned, config: []byte("{}")}, nil
		}
		return s.stored(f)
	}
	m, cfg, err := checkImage(f.image, s.limit)
	if err != nil {
		return Pulled{}, f.explain(ctx, err)
	}
	config, err := f.image.RawConfigFile()
	if err != nil {
		return Pulled{}, err
	}
	top, err := s.pullLayers(ctx, r, f, m, cfg)
	if err != nil {
		return Pulled{}, err
	}
	return Pulled{Layer: top, Config: ImageConfig{*cfg}, Ref: f.pinned, config: config}, nil
}

// NameOf is the name that podman gives an image which it pulls by a reference that
// was resolved to pinned, "" for one by its digest alone or from a file.
func NameOf(ref, pinned string) string {
	r, err := parseReference(ref)
	if err != nil || r.kind != kindRegistry {
		return ""
	}
	n, _, byDigest := strings.Cut(r.name, "@")
	tag := n[strings.LastIndexByte(n, '/')+1:]
	_, tag, tagged := strings.Cut(tag, ":")
	if !tagged {
		if byDigest {
			return ""
		}
		tag = "latest"
	}
	repository, _, _ := strings.Cut(pinned, "@")
	full, err := localName(repository + ":" + tag)
	if err != nil {
		return ""
	}
	return full
}

// Keep makes an image of what was pulled, with the config as it is in the
// registry, gives it names, which are taken away from other images, and returns
// its id.
func (s *Store) Keep(p Pulled, names []string) (id string, err error) {
	if names, err = fullNames(names); err != nil {
		return "", fmt.Errorf("keep %s: %w", p.Ref, err)
	}
	chain, err := s.measuredChain(p.Layer)
	if err == nil {
		err = checkHistory(p.Config.ConfigFile)
	}
	if err != nil {
		return "", fmt.Errorf("keep %s: %w", p.Ref, err)
	}
	return s.putImage(names, p.Layer, p.config, chain, p.Config.Created.Time)
}

func (s *Store) stored(f found) (Pulled, error) {
	img, ok, err := s.ImageByName(f.id)
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
	return Pulled{Layer: img.Top, Config: ImageConfig{*cfg}, Ref: f.pinned, config: config}, nil
}

// checkImage refuses images whose parts contradict each other.
func checkImage(img v1.Image, limits Limits) (*v1.Manifest, *v1.ConfigFile, error) {
	raw, err := img.RawManifest()
	if err != nil {
		return nil, nil, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, nil, fmt.Errorf("parse manifest: %w", err)
	}
	if m.MediaType != "" && !m.MediaType.IsImage() {
		return nil, nil, fmt.Errorf("a manifest of media type %q", m.MediaType)
	}
	rawConfig, err := img.RawConfigFile()
	if err != nil {
		return nil, nil, err
	}
	if got, _, err := v1.SHA256(bytes.NewReader(rawConfig)); err != nil || got != m.Config.Digest {
		return nil, nil, fmt.Errorf("the config's digest is %s, not %s", got, m.Config.Digest)
	}
	cfg, err := v1.ParseConfigFile(bytes.NewReader(rawConfig))
	if err != nil {
		return nil, nil, fmt.Errorf("parse config: %w", err)
	}
	if n := len(m.Layers); n != len(cfg.RootFS.DiffIDs) {
		return nil, nil, fmt.Errorf("%d layers, but %d digests of them in the config", n, len(cfg.RootFS.DiffIDs))
	} else if n > limits.Layers {
		return nil, nil, fmt.Errorf("%d layers are more than the %d that can be mounted", n, limits.Layers)
	}
	for i, l := range m.Layers {
		if err := errors.Join(checkHash(l.Digest), checkHash(cfg.RootFS.DiffIDs[i])); err != nil {
			return nil, nil, err
		}
		if err := checkLayerType(l); err != nil {
			return nil, nil, err
		}
		if l.Size < 0 || l.Size > limits.LayerBytes {
			return nil, nil, fmt.Errorf("layer %s has %d bytes", l.Digest, l.Size)
		}
	}
	return m, cfg, nil
}

// checkLayerType refuses what is no tar stream, or is to be had elsewhere only.
func checkLayerType(l v1.Descriptor) error {
	switch {
	case l.MediaType.IsLayer() && l.MediaType != types.DockerForeignLayer && l.MediaType.IsDistributable():
		return nil
	case l.MediaType == types.DockerForeignLayer || !l.MediaType.IsDistributable():
		text := fmt.Sprintf("layer %s has the media type %q: it may not be distributed, and belongs to another server", l.Digest, l.MediaType)
		if len(l.URLs) > 0 {
			text += " (" + oneLine(l.URLs[0]) + ")"
		}
		return errors.New(text + ", which is not asked; an image that has its contents in a layer of an ordinary type would do")
	}
	return fmt.Errorf("layer %s has the media type %q, which is no file system layer: the reference names an artifact of another kind", l.Digest, l.MediaType)
}

// pullLayers fetches several layers at a time and applies them in order.
func (s *Store) pullLayers(ctx context.Context, r Registry, f found, m *v1.Manifest, cfg *v1.ConfigFile) (string, error) {
	n := len(m.Layers)
	files := make([]chan *os.File, n)
	parents := make([]string, n+1)
	missing := n
	for i, d := range cfg.RootFS.DiffIDs {
		parents[i+1] = ChainID(parents[i], d)
		files[i] = make(chan *os.File, 1)
	}
	for i := range n {
		if !s.whole(parents[i+1]) {
			missing = i
			break
		}
		r.event(TransferEvent{Kind: "pull", Name: f.pinned, Digest: m.Layers[i].Digest.String(), Done: -1, Total: m.Layers[i].Size})
	}
	g, ctx := errgroup.WithContext(ctx)
	fetches, fctx := errgroup.WithContext(ctx)
	fetches.SetLimit(r.jobs())
	g.Go(func() error {
		for i := missing; i < n; i++ {
			fetches.Go(func() error {
				file, err := r.fetch(fctx, f, m.Layers[i], cfg.RootFS.DiffIDs[i], s.wip.scratchFile)
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
				err := s.applyFile(ctx, parents[i], file, cfg.RootFS.DiffIDs[i])
				if err != nil {
					return fmt.Errorf("layer %s: %w", m.Layers[i].Digest, err)
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	err := g.Wait()
	for i := range files { // what has been fetched for nothing
		select {
		case file := <-files[i]:
			file.Close()
		default:
		}
	}
	return parents[n], err
}

func (s *Store) applyFile(ctx context.Context, parent string, file *os.File, want v1.Hash) error {
	defer file.Close()
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	z, err := inflate(file, s.limit)
	if err != nil {
		return err
	}
	_, err = s.Apply(ctx, parent, z, want)
	return errors.Join(err, z.Close())
}
