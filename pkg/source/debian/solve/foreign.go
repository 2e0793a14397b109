// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Packages of other architectures have the names NAME:ARCH in the universe, so
// that all else can take them for packages like any other. What they need and
// what they exclude is translated when they are loaded, by the rules of
// dpkg's multiarch: a need is met by a package of the same architecture, or by
// one that says Multi-Arch: foreign, of any.

// place gives a package of a foreign index its name, and reports whether it
// counts. Packages for all architectures are in the index of each.
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

// depends translates what a package of architecture own needs.
func (u *Universe) depends(own string, r field.Relation) field.Relation {
	var out field.Relation
	for _, a := range r {
		switch {
		case a.Arch != "" && slices.Contains(u.foreign, a.Arch): // of this one only
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

// against translates what p cannot be beside: packages of that name whatever
// their architecture, but for itself.
func (u *Universe) against(p *Package, r field.Relation) field.Relation {
	base, own, _ := strings.Cut(p.Name, ":")
	var out field.Relation
	for _, a := range r {
		for _, arch := range append([]string{""}, u.foreign...) {
			one := a
			if arch != "" {
				one.Name += ":" + arch
			}
			if a.Name == base && arch != own { // its like of another architecture: see sibling
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

// sibling says why p cannot join the chosen package of the same name and
// another architecture; "" if it can. Only packages that say Multi-Arch: same
// can, and only in the same version.
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
