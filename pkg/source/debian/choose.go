// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// choosePackages works out the packages of b in the three steps in which they
// are installed; a later one does not change what an earlier one chose.
func choosePackages(u *universe, b Bootstrap) ([]Package, error) {
	wanted, err := u.wanted(b)
	if err != nil {
		return nil, err
	}
	priorities := b.priorities()
	required := []string{"apt"}
	if slices.Contains(priorities, "required") {
		required = append(required, u.withPriority(false, []string{"required"})...)
	}
	extra := u.withPriority(false, slices.DeleteFunc(slices.Clone(priorities), func(p string) bool { return p == "required" }))
	if b.variant() == "buildd" {
		extra = append(extra, "build-essential")
	}
	extra = append(extra, wanted...)
	if b.variant() == "essential" { // without apt, dpkg alone must do
		required, extra = wanted, nil
	}
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
			if unmet, ok := errors.AsType[*unmetError](err); ok {
				return nil, unmet.mistake(b)
			}
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

// wanted are the names of the packages that b asks for. All that cannot be had
// are reported at once.
func (u *universe) wanted(b Bootstrap) ([]string, error) {
	var names []string
	var ms Mistakes
	for _, word := range b.Packages {
		w, _ := parseWish(word)
		name := w.name
		if w.arch != "" && w.arch != u.arch {
			name += ":" + w.arch
		}
		names = append(names, name)
		m := &Mistake{Attr: "packages", Value: word}
		switch {
		case w.version != "":
			if err := u.pin(name, w.version); err != nil {
				m.Text, m.Err = err.Error(), err
				ms = append(ms, m)
			}
		case len(u.byName[name]) == 0 && len(u.providers[name]) == 0:
			m.Text = fmt.Sprintf("package %q is not in %s (%s)", word, suiteNames(u.used), u.arch)
			for known := range u.byName {
				m.Known = append(m.Known, known)
			}
			slices.Sort(m.Known)
			ms = append(ms, m)
		}
	}
	return names, ms.orNil()
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
			options, err := s.u.options(field.Alternative{Name: name})
			if err != nil {
				return nil, err
			}
			if len(options) > 1 {
				have := make([]string, len(options))
				for i, o := range options {
					have[i] = o.Name
				}
				return nil, &Mistake{
					Attr: "packages", Value: name, Text: fmt.Sprintf("package %q is a virtual one", name),
					Hint: "choose one of " + strings.Join(have, ", "),
				}
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
	name, _, _ := strings.Cut(p.Name, ":")
	out := Package{
		Name: name, Version: p.Version, Arch: p.Arch, Role: role, Auto: auto,
		URL: s.u.archives[p.archive].URL, Filename: p.Filename, Size: p.Hash.Size, Sum: p.Hash.Sum, Installed: p.Installed,
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
