// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/oci"
)

// State is the result of a step: a root file system, and the image configuration so far.
// Its JSON names the root by the digests of its layers, and means the same on every
// machine.
type State struct {
	Layers []oci.Digest `json:"layers,omitzero"` // digests of the uncompressed tars (diffIDs), the lowest first
	Config oci.Config   `json:"config"`

	// Layer is this machine's Snapshotter's name for the topmost of Layers. "" is an empty
	// root if there are no Layers, and otherwise says that they are elsewhere.
	Layer string `json:"-"`
}

// ErrElsewhere says that the layers of a State are not on this machine.
var ErrElsewhere = errors.New("its layers are not on this machine")

// Here returns the Layer of a state whose layers are on this machine, "" for an empty
// root; otherwise the error is ErrElsewhere.
func (s State) Here() (string, error) {
	if s.Layer == "" && len(s.Layers) > 0 {
		return "", fmt.Errorf("layer %s and %d below it: %w", s.Layers[len(s.Layers)-1], len(s.Layers)-1, ErrElsewhere)
	}
	return s.Layer, nil
}

// Chains know the layers of a Snapshotter by their digests.
type Chains interface {
	// Chain returns the digests of a layer and those below it, as in State.Layers; nil for
	// "", and if one of them is not known.
	Chain(ctx context.Context, layer string) ([]oci.Digest, error)
	// Find returns the topmost layer of a chain, or false if the Snapshotter does not have
	// it.
	Find(ctx context.Context, chain []oci.Digest) (layer string, ok bool, err error)
}

// settled fills in the Layer of a state if its layers are here.
func settled(ctx context.Context, c Chains, s State) (State, error) {
	if _, err := s.Here(); err == nil || c == nil {
		return s, err
	}
	layer, ok, err := c.Find(ctx, s.Layers)
	if err != nil {
		return s, err
	}
	if ok {
		s.Layer = layer
	}
	_, err = s.Here()
	return s, err
}
