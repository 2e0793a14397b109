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
	// MarkDamaged makes the steps whose results need a layer count as not executed.
	MarkDamaged(id, why string) error
}

// MarkDamaged marks the layers that an error reports as damaged: the next build makes
// them again.
func MarkDamaged(m Marker, err error) error {
	var errs error
	for _, d := range layer.Damages(err) {
		errs = errors.Join(errs, m.MarkDamaged(d.Layer, d.Error()))
	}
	return errs
}

// Work is the run of a plan and the use of its result.
type Work struct {
	Steps int                                    // of the plan
	Run   func(context.Context) (*Result, error) // runs the steps that are not done, as Engine.Run does
	Write func(context.Context, *Result) error   // writes the result; may be nil
	Once  bool                                   // output cannot be taken back: it is read while it is written
}

// rounds is how often work is tried before Do gives up: with broken memory or a broken
// disk there is always damage.
const rounds = 4

// Do runs and writes w. A layer found damaged while it is read is made again, and so is
// the output written with it. The result counts the steps of all rounds.
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

// Healer reruns the steps whose layers turn out to be damaged, each once.
type Healer struct {
	Store  Marker
	Note   func(text string)
	healed map[string]bool // layers
}

// Heal marks the damaged layers that an error names, so that the next Run makes them
// again, and notes it. It returns false if the error is about something else, or about
// a layer that was made again already.
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
		if h.healed[d.Layer] { // the error has several damages of this layer
			continue
		}
		if e := h.Store.MarkDamaged(d.Layer, err.Error()); e != nil {
			return false, errors.Join(err, fmt.Errorf("heal the store: %w", e))
		}
		h.healed[d.Layer] = true
	}
	return len(damages) > 0, nil
}
