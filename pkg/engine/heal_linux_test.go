// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/layer"
)

// marked is a store that records which layers were marked.
type marked []string

func (m *marked) MarkDamaged(id, _ string) error {
	*m = append(*m, id)
	return nil
}

func damaged(layers ...string) error {
	var errs error
	for _, l := range layers {
		errs = errors.Join(errs, &layer.DamageError{Layer: l, What: "is cut"})
	}
	return errs
}

// A damaged layer is made again, once, and so is the output written with it, unless
// somebody has read the output already.
func TestHealer(t *testing.T) {
	other := errors.New("no space")
	type result struct {
		Marked     []string
		Runs, Ran  int
		Writes     int
		Err, Notes bool
	}
	for name, tt := range map[string]struct {
		run, write []error // by round; nil after the last
		nothing    bool    // nothing is written
		once       bool
		want       result
	}{
		"nothing is wrong":              {want: result{Runs: 1, Ran: 2, Writes: 1}},
		"nothing is written":            {nothing: true, want: result{Runs: 1, Ran: 2}},
		"damage to a step":              {run: []error{damaged("a")}, want: result{Marked: []string{"a"}, Runs: 2, Ran: 4, Writes: 1, Notes: true}},
		"damage to what is written":     {write: []error{damaged("a", "b")}, want: result{Marked: []string{"a", "b"}, Runs: 2, Ran: 4, Writes: 2, Notes: true}},
		"one after the other":           {write: []error{damaged("a"), damaged("b")}, want: result{Marked: []string{"a", "b"}, Runs: 3, Ran: 5, Writes: 3, Notes: true}},
		"the same once more":            {write: []error{damaged("a"), damaged("a")}, want: result{Marked: []string{"a"}, Runs: 2, Ran: 4, Writes: 2, Err: true, Notes: true}},
		"always another":                {write: []error{damaged("a"), damaged("b"), damaged("c"), damaged("d")}, want: result{Marked: []string{"a", "b", "c", "d"}, Runs: 4, Ran: 5, Writes: 4, Err: true, Notes: true}},
		"somebody has read it":          {write: []error{damaged("a")}, once: true, want: result{Marked: []string{"a"}, Runs: 1, Ran: 2, Writes: 1, Err: true}},
		"nobody has read of a step yet": {run: []error{damaged("a")}, once: true, want: result{Marked: []string{"a"}, Runs: 2, Ran: 4, Writes: 1, Notes: true}},
		"no damage":                     {run: []error{other}, want: result{Runs: 1, Ran: 2, Err: true}},
	} {
		var got result
		of := func(errs []error, round int) error {
			if round < len(errs) {
				return errs[round]
			}
			return nil
		}
		w := Work{Steps: 5, Once: tt.once, Run: func(context.Context) (*Result, error) {
			got.Runs++
			return &Result{Ran: 2}, of(tt.run, got.Runs-1)
		}}
		if !tt.nothing {
			w.Write = func(context.Context, *Result) error {
				got.Writes++
				return of(tt.write, got.Writes-1)
			}
		}
		var store marked
		h := &Healer{Store: &store, Note: func(string) { got.Notes = true }}
		res, err := h.Do(t.Context(), w)
		got.Marked, got.Ran, got.Err = slices.Clip(store), res.Ran, err != nil
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %v: -want +got\n%s", name, err, diff)
		}
	}
}

// Interrupted work is not repeated.
func TestHealerInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var store marked
	runs := 0
	_, err := (&Healer{Store: &store}).Do(ctx, Work{Run: func(ctx context.Context) (*Result, error) {
		runs++
		cancel()
		return nil, fmt.Errorf("%w: %w", ctx.Err(), damaged("a"))
	}})
	if runs != 1 || len(store) != 0 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d runs, marked %v, %v", runs, store, err)
	}
}
