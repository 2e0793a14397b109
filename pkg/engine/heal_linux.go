// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/layer"
)

// Marker remembers which layers of a store are damaged.
type Marker interface {
	// MarkDamaged makes the steps whose results need a layer count as not done.
	MarkDamaged(id, why string) error
}

// MarkDamaged marks the layers that an error says are damaged: the next build makes
// them again.
func MarkDamaged(m Marker, err error) error {
	var errs error
	for _, d := range layer.Damages(err) {
		errs = errors.Join(errs, m.MarkDamaged(d.Layer, d.Error()))
	}
	return errs
}

// Work is what a plan is run for.
type Work struct {
	Steps int                                    // of the plan
	Run   func(context.Context) (*Result, error) // runs what of it is not done, as Engine.Run does
	Write func(context.Context, *Result) error   // what is made of the result; nil for nothing
	Once  bool                                   // what was written cannot be taken back: somebody reads along
}

// rounds is how many times work is done before its damages are given up on: with a
// broken memory or disk there is always one.
const rounds = 4

// Do does work. A layer that turns out to be damaged when it is read is made again,
// and what was written with it. The result counts the steps of all rounds.
func (h *Healer) Do(ctx context.Context, w Work) (*Result, error) {
	ran := 0
	for round := 1; ; round++ {
		res, err := w.Run(ctx)
		writing := err == nil && w.Write != nil
		if writing {
			err = w.Write(ctx, res)
		}
		if res != nil {
			ran = min(ran+res.Ran, w.Steps)
			res.Ran = ran
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return res, err
		case round == rounds || writing && w.Once:
			return res, errors.Join(err, MarkDamaged(h.Store, err))
		}
		healed, herr := h.Heal(err)
		if herr != nil || !healed {
			return res, errors.Join(err, herr)
		}
	}
}

// Healer has the steps run again whose layers turned out to be damaged, each once.
type Healer struct {
	Store  Marker
	Note   func(text string)
	healed map[string]bool // layers
}

// Heal marks the layers as damaged that an error is about, so that the next Run
// makes them again, and says so. It returns false when the error is about
// something else, or about a layer that was made again already.
func (h *Healer) Heal(err error) (bool, error) {
	damages := layer.Damages(err)
	if slices.ContainsFunc(damages, func(d *layer.DamageError) bool { return h.healed[d.Layer] }) {
		return false, nil
	}
	if h.healed == nil {
		h.healed = map[string]bool{}
	}
	for _, d := range damages {
		h.Note(d.Error() + ": its step runs again")
		if h.healed[d.Layer] { // by this error, which has several damages of it
			continue
		}
		if e := h.Store.MarkDamaged(d.Layer, err.Error()); e != nil {
			return false, errors.Join(err, fmt.Errorf("heal the store: %w", e))
		}
		h.healed[d.Layer] = true
	}
	return len(damages) > 0, nil
}
