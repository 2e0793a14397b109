// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/oci"
)

// Stored returns an image, given one of its names or its id, in the form that can be pushed
// and exported.
func (s *Store) Stored(image string) (oci.Stored, error) {
	i, err := s.mustImage(image)
	if err != nil {
		return oci.Stored{}, err
	}
	_, config, err := s.Config(i)
	if err != nil {
		return oci.Stored{}, err
	}
	chain, err := s.Chain(i.Top)
	if err != nil {
		return oci.Stored{}, err
	}
	layers, err := s.StoredLayers(i.Top)
	if err != nil {
		return oci.Stored{}, err
	}
	return oci.Stored{ID: i.ID, Names: i.Names, Config: config, Explain: func(ctx context.Context, err error) error {
		return s.alsoDamaged(ctx, chain, err)
	}, Layers: layers}, nil
}

// StoredLayers returns a layer and those below it, the lowest first, in the form that can
// be pushed and exported.
func (s *Store) StoredLayers(top string) ([]oci.StoredLayer, error) {
	chain, err := s.Chain(top)
	var out []oci.StoredLayer
	for _, l := range chain {
		out = append(out, oci.StoredLayer{DiffID: l.DiffID, Size: l.Size, Write: func(w io.Writer) error { return s.WriteTar(l, w) }})
	}
	return out, err
}

func (s *Store) mustImage(n string) (Image, error) {
	i, ok, err := s.ImageByName(strings.TrimPrefix(n, "containers-storage:"))
	if err == nil && !ok {
		err = fmt.Errorf("image %s: %w", n, ErrUnknown)
	}
	return i, err
}
