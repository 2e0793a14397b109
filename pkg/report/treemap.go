// SPDX-License-Identifier: MPL-2.0

package report

// Rect is a rectangle; X and Y are its upper left corner.
type Rect struct{ X, Y, W, H float64 }

// Treemap divides a rectangle into one for each weight, with areas in proportion and sides
// that do not differ more than need be (Bruls, Huizing and van Wijk, "Squarified treemaps",
// 2000). The weights descend and are positive.
func Treemap(weights []float64, in Rect) []Rect {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if sum <= 0 || in.W <= 0 || in.H <= 0 {
		return make([]Rect, len(weights))
	}
	out := make([]Rect, 0, len(weights))
	scale := in.W * in.H / sum
	for left := in; len(out) < len(weights); {
		rest := weights[len(out):]
		n := rowLength(rest, scale, min(left.W, left.H))
		var row []Rect
		row, left = layRow(rest[:n], scale, left, n == len(rest))
		out = append(out, row...)
	}
	return out
}

// rowLength is how many weights make the best row along a side.
func rowLength(weights []float64, scale, side float64) int {
	sum, best := 0.0, 0.0
	for i, w := range weights {
		sum += w * scale
		// The first is the largest of the row, and this one the smallest.
		deep := sum / side
		worst := max(ratio(weights[0]*scale/deep, deep), ratio(w*scale/deep, deep))
		if i > 0 && worst > best {
			return i
		}
		best = worst
	}
	return len(weights)
}

func ratio(a, b float64) float64 { return max(a/b, b/a) }

// layRow places a row along the shorter side, and returns what is left. The last row takes
// all of it.
func layRow(weights []float64, scale float64, in Rect, last bool) ([]Rect, Rect) {
	sum := 0.0
	for _, w := range weights {
		sum += w * scale
	}
	upright := in.W >= in.H // the row is a column at the left
	side := min(in.W, in.H)
	deep := sum / side
	if last {
		deep = max(in.W, in.H)
	}
	var row []Rect
	at := 0.0
	for _, w := range weights {
		long := w * scale / sum * side
		if upright {
			row = append(row, Rect{in.X, in.Y + at, deep, long})
		} else {
			row = append(row, Rect{in.X + at, in.Y, long, deep})
		}
		at += long
	}
	if upright {
		return row, Rect{in.X + deep, in.Y, in.W - deep, in.H}
	}
	return row, Rect{in.X, in.Y + deep, in.W, in.H - deep}
}
