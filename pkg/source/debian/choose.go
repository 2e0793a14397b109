// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package debian

import (
	"fmt"
	"slices"
	"strings"
)

// choosePackages works out the packages of b in the three steps in which they
// are installed, each of which stands by what the one before chose.
func choosePackages(u *universe, b Bootstrap) ([]Package, error) {
	var wanted []string
	for _, p := range b.Packages {
		name, version, pinned := strings.Cut(p, "=")
		if pinned {
			if err := u.pin(name, version); err != nil {
				return nil, err
			}
		}
		wanted = append(wanted, name)
	}
	priorities := variants()[b.variant()]
	required := []string{"apt"}
	if slices.Contains(priorities, "required") {
		required = append(required, u.withPriority(false, []string{"required"})...)
	}
	extra := u.withPriority(false, slices.DeleteFunc(slices.Clone(priorities), func(p string) bool { return p == "required" }))
	if b.variant() == "buildd" {
		extra = append(extra, "build-essential")
	}
	extra = append(extra, wanted...)
	s := newSolver(u)
	var out []Package
	for _, step := range []struct {
		role  Role
		names []string
	}{{Essential, u.withPriority(true, nil)}, {Required, required}, {Extra, extra}} {
		names, err := s.realNames(step.names)
		if err != nil {
			return nil, err
		}
		from := len(s.order)
		if err := s.install(names); err != nil {
			return nil, err
		}
		for _, p := range inOrder(s, s.order[from:]) {
			out = append(out, s.newPackage(p, step.role, step.role != Essential && !slices.Contains(names, p.Name)))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the index has no Essential packages")
	}
	return out, nil
}

// realNames replaces virtual names by their only provider, as apt does.
func (s *solver) realNames(names []string) ([]string, error) {
	var out []string
	for _, name := range names {
		p, err := s.u.pick(name)
		if err != nil {
			return nil, err
		}
		if p == nil {
			options, err := s.u.options(alternative{Name: name})
			if err != nil {
				return nil, err
			}
			if len(options) > 1 {
				have := make([]string, len(options))
				for i, o := range options {
					have[i] = o.Name
				}
				return nil, fmt.Errorf("package %q is a virtual one: choose one of %s", name, strings.Join(have, ", "))
			}
			if len(options) == 1 {
				name = options[0].Name
			}
		}
		out = append(out, name)
	}
	return out, nil
}

func (s *solver) newPackage(p *pkg, role Role, auto bool) Package {
	out := Package{
		Name: p.Name, Version: p.Version, Arch: p.Arch, Role: role, Auto: auto,
		Installed: p.Installed,
		URL:       s.u.archives[p.archive].URL, Filename: p.Filename, Size: p.Hash.Size, SHA256: p.Hash.SHA256,
	}
	if role == Extra {
		out.Stanza = p.text
	}
	return out
}

// inOrder sorts list so that each package comes after those that it depends on,
// Pre-Depends first; cycles are cut where the walk by name meets them.
func inOrder(s *solver, list []*pkg) []*pkg {
	rest := map[*pkg]bool{}
	for _, p := range list {
		rest[p] = true
	}
	var out []*pkg
	var visit func(p *pkg)
	visit = func(p *pkg) {
		if !rest[p] {
			return
		}
		delete(rest, p)
		for _, r := range slices.Concat(p.PreDepends, p.Depends) {
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
	for _, p := range slices.SortedFunc(slices.Values(list), func(a, b *pkg) int { return strings.Compare(a.Name, b.Name) }) {
		visit(p)
	}
	return out
}
