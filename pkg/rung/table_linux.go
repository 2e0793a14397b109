// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Table is a ladder: the best rung comes first.
type Table []Rung

// All returns all rungs.
func All() Table {
	return Table{userNamespace(), singleID(), changeRoot(), virtualMachine()}
}

// Names are the names of the rungs, in order.
func (t Table) Names() []string {
	var names []string
	for _, r := range t {
		names = append(names, r.Name)
	}
	return names
}

// Likely is the rung that Start will use, as far as that can be told without entering: the
// first one without a known obstacle.
func (t Table) Likely(ctx context.Context, asked string, h Host) Rung {
	for _, r := range t {
		if asked != "" && r.Name == asked || asked == "" && r.Look != nil && r.Look(ctx, h) == nil {
			return r
		}
	}
	return Rung{}
}

// Find looks up a rung by name.
func (t Table) Find(name string) (Rung, error) {
	i := slices.IndexFunc(t, func(r Rung) bool { return r.Name == name })
	if i < 0 {
		return Rung{}, fmt.Errorf("unknown sandbox %q: want %s", name, strings.Join(t.Names(), ", "))
	}
	return t[i], nil
}
