// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/carosio/carosbuild/pkg/oci"
)

// PutImage stores an image whose top layer is top, and gives it names, which other images
// lose. The rootfs part of the config is filled in from the layers; its history must not
// have more entries for layers than there are layers. An equal image is not stored twice;
// its id is returned.
func (s *Store) PutImage(ctx context.Context, names []string, top string, c oci.Config) (id string, err error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	names, err = oci.FullNames(names)
	if err != nil {
		return "", fmt.Errorf("put image: %w", err)
	}
	chain, err := s.measuredChain(top)
	if err != nil {
		return "", fmt.Errorf("put image: %w", err)
	}
	diffIDs := []oci.Digest{}
	for _, l := range chain {
		diffIDs = append(diffIDs, l.DiffID)
	}
	c.SetLayers(diffIDs)
	if err := c.CheckHistory(); err != nil {
		return "", fmt.Errorf("put image: %w", err)
	}
	config, err := json.Marshal(c.ConfigFile)
	if err != nil {
		return "", fmt.Errorf("put image: %w", err)
	}
	return s.putImage(names, top, config, chain, c.Created.Time)
}

// measuredChain is Chain with all sizes known.
func (s *Store) measuredChain(top string) ([]Layer, error) {
	chain, err := s.Chain(top)
	for i := range chain {
		if chain[i].Size < 0 && err == nil {
			chain[i].Size, err = s.measure(chain[i])
		}
	}
	return chain, err
}

// putImage stores an image with exactly this config.
func (s *Store) putImage(names []string, top string, config []byte, chain []Layer, created time.Time) (string, error) {
	var layers []oci.Descriptor
	for _, l := range chain {
		layers = append(layers, oci.PlainLayer(l.DiffID, l.Size))
	}
	manifest, err := oci.NewManifest(config, layers)
	if err != nil {
		return "", fmt.Errorf("put image: %w", err)
	}
	dig, conf := digest.FromBytes(manifest), digest.FromBytes(config)
	id := conf.Encoded()
	data := []storage.ImageBigDataOption{
		{Key: "manifest", Data: manifest, Digest: dig},
		{Key: storage.ImageDigestManifestBigDataNamePrefix + "-" + dig.String(), Data: manifest, Digest: dig},
		{Key: conf.String(), Data: config, Digest: conf},
	}
	_, err = s.store.CreateImage(id, nil, top, "", &storage.ImageOptions{CreationDate: created, Digest: dig, Metadata: ours, BigData: data})
	if errors.Is(err, storage.ErrDuplicateID) {
		err = s.restoreData(id, data)
	}
	if err != nil {
		return "", fmt.Errorf("put image: %w", err)
	}
	if len(names) > 0 {
		if err := s.store.AddNames(id, names); err != nil {
			return "", fmt.Errorf("name image: %w", err)
		}
	}
	return id, nil
}

// restoreData restores documents of a stored image that are missing or damaged. A manifest
// that is right for the image stays: podman's may differ from ours.
func (s *Store) restoreData(id string, data []storage.ImageBigDataOption) error {
	for _, d := range data {
		got, err := s.store.ImageBigData(id, d.Key)
		if err == nil && bytes.Equal(got, d.Data) {
			continue
		}
		if want, derr := s.store.ImageBigDataDigest(id, d.Key); err == nil && derr == nil && want == digest.FromBytes(got) {
			continue
		}
		if err := s.store.SetImageBigData(id, d.Key, d.Data, func(b []byte) (digest.Digest, error) { return digest.FromBytes(b), nil }); err != nil {
			return fmt.Errorf("restore the image's %s: %w", d.Key, err)
		}
	}
	return nil
}

// AddNames gives an image more names, which other images lose.
func (s *Store) AddNames(id string, names []string) error {
	names, err := oci.FullNames(names)
	if err == nil {
		err = s.store.AddNames(id, names)
	}
	if err != nil {
		return fmt.Errorf("name image %s: %w", short(id), err)
	}
	return nil
}

// Images lists all images, podman's too.
func (s *Store) Images() ([]Image, error) {
	all, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var out []Image
	for i := range all {
		out = append(out, toImage(&all[i]))
	}
	return out, nil
}

func toImage(i *storage.Image) Image {
	img := Image{ID: i.ID, Names: i.Names, Top: i.TopLayer, Created: i.Created}
	if h, err := oci.ParseDigest(i.Digest.String()); err == nil {
		img.Digest = h
	}
	return img
}

// ImageByName looks up an image by one of its names or by its id. A name without a
// registry means localhost first, then docker.io.
func (s *Store) ImageByName(n string) (Image, bool, error) {
	for _, c := range oci.StoreNames(n) {
		i, err := s.store.Image(c)
		if err == nil {
			return toImage(i), true, nil
		}
		if !errors.Is(err, storage.ErrImageUnknown) {
			return Image{}, false, fmt.Errorf("look up image %s: %w", n, err)
		}
	}
	return Image{}, false, nil
}

// Config returns an image's configuration, parsed and as the bytes whose digest is its id.
func (s *Store) Config(i Image) (oci.Config, []byte, error) {
	b, err := s.store.ImageBigData(i.ID, "sha256:"+i.ID)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", err, oci.ErrDamaged)
	}
	if err != nil {
		return oci.Config{}, nil, fmt.Errorf("read config of image %s: %w", short(i.ID), err)
	}
	if h := oci.DigestOf(b); h.Hex != i.ID {
		return oci.Config{}, nil, fmt.Errorf("config of image %s: its digest is %s: %w", short(i.ID), h, oci.ErrDamaged)
	}
	cfg, err := oci.ParseConfig(b)
	if err != nil {
		return oci.Config{}, nil, fmt.Errorf("read config of image %s: %w", short(i.ID), err)
	}
	return cfg, b, nil
}

// RemoveNames removes names from the images that have them.
func (s *Store) RemoveNames(names []string) error {
	names, err := oci.FullNames(names)
	if err != nil {
		return fmt.Errorf("remove names: %w", err)
	}
	for _, n := range names {
		i, err := s.store.Image(n)
		if errors.Is(err, storage.ErrImageUnknown) {
			continue
		}
		if err != nil {
			return fmt.Errorf("remove name %s: %w", n, err)
		}
		if err := s.store.RemoveNames(i.ID, []string{n}); err != nil {
			return fmt.Errorf("remove name %s: %w", n, err)
		}
	}
	return nil
}

// RemoveImage removes an image and the layers that nothing else needs. It is
// idempotent.
func (s *Store) RemoveImage(id string) error {
	layers, err := s.store.DeleteImage(id, false) // the layers that would go with it
	for _, l := range layers {
		if err == nil {
			err = s.flatten(l)
		}
	}
	if err == nil {
		layers, err = s.store.DeleteImage(id, true)
	}
	for _, l := range layers {
		if err == nil {
			err = s.removeNotes(l)
		}
	}
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return fmt.Errorf("remove image %s: %w", short(id), err)
	}
	return nil
}
