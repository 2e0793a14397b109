// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.
package engine

import (
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/layer"
)

// Healer has the steps run again whose layers turned out to be damaged, each once.
type Healer struct {
	Store interface {
		// MarkDamaged makes the steps whose results need a layer count as not done.
		MarkDamaged(id, why string) error
	}
	Note   func(text string)
	healed map[string]bool // layers
}

// Heal marks the layers as damaged that an error is about, so that the next Run
// makes them again, and says so. It returns false when the error is about
// something else, or about a layer that was made again already.
func (h *Healer) Heal(err error) (bool, error) {
	damages := layer.Damages(err)
	for _, d := range damages {
		if h.healed[d.Layer] {
			return false, nil
		}
	}
	if h.healed == nil {
		h.healed = map[string]bool{}
	}
	for _, d := range damages {
		h.Note(d.Error() + ": its step runs again")
		if h.healed[d.Layer] {
			continue
		}
		if e := h.Store.MarkDamaged(d.Layer, err.Error()); e != nil {
			return false, errors.Join(err, fmt.Errorf("heal the store: %w", e))
		}
		h.healed[d.Layer] = true
	}
	return len(damages) > 0, nil
}
