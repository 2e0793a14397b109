// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// RealNames replaces virtual names by their only provider, as apt does. If there
// are several, the error is a VirtualError.
func (s *Solver) RealNames(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		p, err := s.u.pick(name)
		if err != nil {
			return nil, err
		}
		if p == nil {
			options, err := s.u.options(field.Alternative{Name: name})
			if err != nil {
				return nil, err
			}
			if len(options) > 1 {
				have := make([]string, len(options))
				for i, o := range options {
					have[i] = o.Name
				}
				return nil, &VirtualError{name, have}
			}
			if len(options) == 1 {
				name = options[0].Name
			}
		}
		out = append(out, name)
	}
	return out, nil
}

// VirtualError is about a name that is provided by several packages and is not a
// package itself.
type VirtualError struct {
	Name    string
	Choices []string
}

func (e *VirtualError) Error() string {
	return fmt.Sprintf("package %q is a virtual one: choose one of %s", e.Name, strings.Join(e.Choices, ", "))
}

// inOrder sorts list so that each package comes after its dependencies, Pre-Depends
// first; cycles are cut where the traversal by name finds them.
func inOrder(s *Solver, list []*Package) []*Package {
	rest := map[*Package]bool{}
	for _, p := range list {
		rest[p] = true
	}
	var out []*Package
	var visit func(p *Package)
	visit = func(p *Package) {
		if !rest[p] {
			return
		}
		delete(rest, p)
		for _, r := range slices.Concat(p.preDepends, p.depends) {
			for _, a := range r {
				if q := s.chosen[a.Name]; q != nil {
					visit(q)
				}
				for _, q := range s.virtual[a.Name] {
					visit(q)
				}
			}
		}
		out = append(out, p)
	}
	for _, p := range slices.SortedFunc(slices.Values(list), func(a, b *Package) int { return strings.Compare(a.Name, b.Name) }) {
		visit(p)
	}
	return out
}
