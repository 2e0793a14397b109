// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"slices"

	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/source/files"
)

// Ingredient is one of the things that a step's key covers.
type Ingredient struct {
	Name  string `json:"name"`  // such as "file caros.conf" or "network"
	Value string `json:"value"` // text, or a digest

	Files []files.AddedFile `json:"files,omitzero"` // files that the digest covers
}

// ingredients collects what a step's key covers: as fields of the key, and by name.
// The first field, the key that the step is based on, has no name; others may have
// none either.
type ingredients struct {
	fields []string
	named  []Ingredient
}

func (g *ingredients) add(name, value string) {
	g.fields = append(g.fields, value)
	g.name(name, value)
}

// list adds several things as one field.
func (g *ingredients) list(names, values []string) {
	g.fields = append(g.fields, key.List(values))
	for i, v := range values {
		g.name(names[i], v)
	}
}

// name notes a named ingredient of a field. Absent ingredients are not noted.
func (g *ingredients) name(name, value string) {
	if name == "" || value == "" || slices.ContainsFunc(g.named, func(i Ingredient) bool { return i.Name == name }) {
		return
	}
	g.named = append(g.named, Ingredient{Name: name, Value: value})
}

func prefixed(prefix string, items []string) []string {
	out := make([]string, len(items))
	for i, s := range items {
		out[i] = prefix + s
	}
	return out
}
