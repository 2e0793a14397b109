// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Packages of other architectures are called NAME:ARCH in the universe, so that all
// other code can treat them like any package. Their dependencies and conflicts are
// translated when they are loaded, by the rules of dpkg's multiarch: a dependency
// is satisfied by a package of the same architecture, or by one of any architecture
// that has Multi-Arch: foreign.

// place gives a package of a foreign index its name, and reports whether it is
// used. Packages for all architectures are in every index.
func (u *Universe) place(p *Package, arch string) bool {
	switch {
	case arch == u.arch:
	case arch == "all":
		return len(u.foreign) == 0 || !slices.ContainsFunc(u.byName[p.Name], func(q *Package) bool {
			return q.Archive == p.Archive && q.Version == p.Version
		})
	case slices.Contains(u.foreign, arch):
		p.Name += ":" + arch
	default:
		return false
	}
	return true
}

// depends translates a dependency of a package of architecture own.
func (u *Universe) depends(own string, r field.Relation) field.Relation {
	var out field.Relation
	for _, a := range r {
		switch {
		case a.Arch != "" && slices.Contains(u.foreign, a.Arch): // of this architecture only
			a.Name, a.Arch = a.Name+":"+a.Arch, ""
		case own == u.arch || a.Arch == u.arch:
		case a.Arch == "" || a.Arch == "any" || a.Arch == "native":
			same := a
			same.Name, same.Arch = a.Name+":"+own, ""
			out = append(out, same)
			if a.Arch == "native" {
				continue
			}
			a.Elsewhere = a.Arch == ""
		}
		out = append(out, a)
	}
	return out
}

// against translates a conflict of p: it applies to packages of that name of every
// architecture, except for p itself.
func (u *Universe) against(p *Package, r field.Relation) field.Relation {
	base, own, _ := strings.Cut(p.Name, ":")
	var out field.Relation
	for _, a := range r {
		for _, arch := range append([]string{""}, u.foreign...) {
			one := a
			if arch != "" {
				one.Name += ":" + arch
			}
			if a.Name == base && arch != own { // same package of another architecture: see sibling
				continue
			}
			if a.Arch == "" || a.Arch == "any" || a.Arch == arch || a.Arch == u.arch && arch == "" {
				one.Arch = ""
				out = append(out, one)
			}
		}
	}
	return out
}

// sibling says why p cannot be installed beside the chosen package of the same name
// and another architecture; "" if it can. Only packages with Multi-Arch: same can,
// and only in the same version.
func (s *Solver) sibling(p *Package) string {
	base, _, _ := strings.Cut(p.Name, ":")
	for _, arch := range append([]string{""}, s.u.foreign...) {
		name := base
		if arch != "" {
			name += ":" + arch
		}
		q := s.chosen[name]
		switch {
		case q == nil || q.Name == p.Name:
		case p.Multi != "same" || q.Multi != "same":
			return p.Name + " and " + q.Name + " cannot be installed side by side"
		case p.Version != q.Version:
			return q.Name + " " + q.Version + " is already chosen, and " + p.Name + " is " + p.Version
		}
	}
	return ""
}
