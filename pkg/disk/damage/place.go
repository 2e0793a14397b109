// SPDX-License-Identifier: MPL-2.0

package damage

import (
	"cmp"
	"fmt"
	"slices"
)

// Place is a part of a file, in bytes, that belongs to one structure.
type Place struct {
	Start, Len int64
	What       string
	No         int64 // number of the structure; -1 if there is only one
}

func (p Place) String() string {
	if p.No < 0 {
		return p.What
	}
	return fmt.Sprintf("%s %d", p.What, p.No)
}

// Overlaps sorts places and calls found for each that begins inside an earlier one.
func Overlaps(places []Place, found func(p, in Place)) {
	slices.SortFunc(places, func(a, b Place) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.No, b.No), cmp.Compare(a.What, b.What))
	})
	last := 0 // of the earlier ones, the one that ends last
	for i := 1; i < len(places); i++ {
		p := places[i]
		for _, in := range []Place{places[i-1], places[last]} {
			if p.Start < in.Start+in.Len {
				found(p, in)
				break
			}
		}
		if p.Start+p.Len > places[last].Start+places[last].Len {
			last = i
		}
	}
}
