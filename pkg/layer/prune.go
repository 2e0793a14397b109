// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"fmt"
	"slices"
)

// Prune removes the layers that were made here and that neither an image, a
// container, another layer nor the caller needs, and returns their ids. What
// podman has put into the store stays. Keep says which layers the caller
// needs, such as those of its Records; the layers below them stay as well.
func (s *Store) Prune(ctx context.Context, keep func(id string) bool) ([]string, error) {
	layers, err := s.store.Layers()
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	needed, err := s.neededByOthers()
	if err != nil {
		return nil, fmt.Errorf("prune: %w", err)
	}
	parent := map[string]string{}
	for _, l := range layers {
		parent[l.ID] = l.Parent
	}
	for _, l := range layers {
		fresh := mark(s.sync.dir, l.ID) != "" // perhaps of a build that has yet to record it
		if l.Metadata != ours || fresh || keep(l.ID) {
			needed[l.ID] = true
		}
	}
	for id := range needed {
		for at := parent[id]; at != "" && !needed[at]; at = parent[at] {
			needed[at] = true
		}
	}
	var removed []string
	// A layer comes after its parent in the store's list.
	for _, l := range slices.Backward(layers) {
		if needed[l.ID] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return removed, err
		}
		if err := s.RemoveLayer(l.ID); err != nil {
			return removed, fmt.Errorf("prune: %w", err)
		}
		removed = append(removed, l.ID)
	}
	return removed, nil
}

// neededByOthers are the top layers of images and containers.
func (s *Store) neededByOthers() (map[string]bool, error) {
	needed := map[string]bool{}
	images, err := s.store.Images()
	if err != nil {
		return nil, err
	}
	for _, i := range images {
		needed[i.TopLayer] = true
		for _, m := range i.MappedTopLayers {
			needed[m] = true
		}
	}
	containers, err := s.store.Containers()
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		needed[c.LayerID] = true
	}
	delete(needed, "")
	return needed, nil
}
