// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Heal marks the layers as damaged that an error is about, so that the next Run
// makes them again, and says so. It returns false when the error is about
// something else, or about a layer that was made again already.
func (e *Engine) Heal(err error) (bool, error) {
	damages := layer.Damages(err)
	for _, d := range damages {
		if e.healed[d.Layer] {
			return false, nil
		}
	}
	again := map[string]bool{}
	for _, d := range damages {
		e.event(progress.Event{Kind: progress.Note, Text: d.Error() + ": its step runs again"})
		again[d.Layer] = true
	}
	for id := range again {
		if e := e.Store.MarkDamaged(id, err.Error()); e != nil {
			return false, errors.Join(err, fmt.Errorf("heal the store: %w", e))
		}
	}
	if e.healed == nil {
		e.healed = map[string]bool{}
	}
	for id := range again {
		e.healed[id] = true
	}
	return len(again) > 0, nil
}
