// SPDX-License-Identifier: MPL-2.0

package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTreemap: areas are in proportion, rectangles are inside and do not overlap.
func TestTreemap(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lists := [][]float64{{1}, {6, 6, 4, 3, 2, 2, 1}, {1, 1, 1, 1}, {1e9, 1}, {5, 1e-9}}
	for range 50 {
		var w []float64
		for range 1 + r.IntN(80) {
			w = append(w, math.Exp(8*r.Float64()))
		}
		slices.SortFunc(w, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
		lists = append(lists, w)
	}
	for _, weights := range lists {
		for _, in := range []Rect{{0, 0, 600, 400}, {10, 20, 30, 900}, {0, 0, 1, 1}} {
			got := Treemap(weights, in)
			if len(got) != len(weights) {
				t.Fatalf("%d rectangles for %d weights", len(got), len(weights))
			}
			sum := 0.0
			for _, w := range weights {
				sum += w
			}
			e := 1e-6 * max(in.W, in.H)
			for i, a := range got {
				if want := weights[i] / sum * in.W * in.H; math.Abs(a.W*a.H-want) > 1e-6*in.W*in.H {
					t.Errorf("area %g, want %g", a.W*a.H, want)
				}
				if a.X < in.X-e || a.Y < in.Y-e || a.X+a.W > in.X+in.W+e || a.Y+a.H > in.Y+in.H+e || a.W < 0 || a.H < 0 {
					t.Errorf("%+v is outside of %+v", a, in)
				}
				for _, b := range got[:i] {
					if w, h := min(a.X+a.W, b.X+b.W)-max(a.X, b.X), min(a.Y+a.H, b.Y+b.H)-max(a.Y, b.Y); w > e && h > e {
						t.Fatalf("%+v and %+v overlap", a, b)
					}
				}
			}
		}
	}
	// The example of the paper: a rectangle of 6 by 4.
	want := []Rect{{0, 0, 3, 2}, {0, 2, 3, 2}, {3, 0, 12.0 / 7, 7.0 / 3}}
	for i, got := range Treemap([]float64{6, 6, 4, 3, 2, 2, 1}, Rect{0, 0, 6, 4})[:3] {
		if math.Abs(got.X-want[i].X)+math.Abs(got.Y-want[i].Y)+math.Abs(got.W-want[i].W)+math.Abs(got.H-want[i].H) > 1e-9 {
			t.Errorf("%d: got %+v, want %+v", i, got, want[i])
		}
	}
	for _, bad := range [][]float64{nil, {0, 0}} {
		if got := Treemap(bad, Rect{0, 0, 1, 1}); len(got) != len(bad) {
			t.Errorf("%v: %v", bad, got)
		}
	}
}
