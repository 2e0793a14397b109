// SPDX-License-Identifier: MPL-2.0

package rung

import (
	"fmt"
	"slices"
	"strings"
)

// Table is a ladder: the best rung comes first.
type Table []Rung

// All are the rungs that there are.
func All() Table {
	return Table{userNamespace(), changeRoot(), virtualMachine()}
}

// Names are those of the rungs, in their order.
func (t Table) Names() []string {
	var names []string
	for _, r := range t {
		names = append(names, r.Name)
	}
	return names
}

// Find looks a rung up by its name.
func (t Table) Find(name string) (Rung, error) {
	i := slices.IndexFunc(t, func(r Rung) bool { return r.Name == name })
	if i < 0 {
		return Rung{}, fmt.Errorf("there is no sandbox %q: want %s", name, strings.Join(t.Names(), ", "))
	}
	return t[i], nil
}
