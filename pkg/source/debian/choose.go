// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/source/debian/solve"
)

// choosePackages determines the packages of b in the three steps in which they are
// installed; a later step does not change the choices of an earlier one.
func choosePackages(u *solve.Universe, b Bootstrap, archives []archive) ([]Package, error) {
	asked, err := wanted(u, b)
	if err != nil {
		return nil, err
	}
	priorities := b.priorities()
	required := []string{"apt"}
	if slices.Contains(priorities, "required") {
		required = append(required, u.WithPriority(false, []string{"required"})...)
	}
	extra := u.WithPriority(false, slices.DeleteFunc(slices.Clone(priorities), func(p string) bool { return p == "required" }))
	if b.variant() == "buildd" {
		extra = append(extra, "build-essential")
	}
	extra = append(extra, asked...)
	if b.variant() == "essential" { // without apt, dpkg alone has to install them
		required, extra = asked, nil
	}
	s := solve.NewSolver(u)
	var out []Package
	for _, step := range []struct {
		role  Role
		names []string
	}{{Essential, u.WithPriority(true, nil)}, {Required, required}, {Extra, extra}} {
		names, err := s.RealNames(step.names)
		if err != nil {
			return nil, chooseMistake(err, b)
		}
		added, err := s.Install(names)
		if err != nil {
			return nil, chooseMistake(err, b)
		}
		for _, p := range added {
			auto := step.role != Essential && !slices.Contains(names, p.Name)
			out = append(out, newPackage(p, archives[p.Archive], step.role, auto))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the index has no Essential packages")
	}
	return out, nil
}

// chooseMistake turns err into a mistake about a package that b asks for, if it is
// about one.
func chooseMistake(err error, b Bootstrap) error {
	if v, ok := errors.AsType[*solve.VirtualError](err); ok {
		return &Mistake{
			Attr: "packages", Value: v.Name, Text: fmt.Sprintf("package %q is a virtual one", v.Name),
			Hint: "choose one of " + strings.Join(v.Choices, ", "),
		}
	}
	unmet, ok := errors.AsType[*solve.UnmetError](err)
	if !ok {
		return err
	}
	for _, word := range b.Packages {
		w, _ := parseWish(word)
		if unmet.Root == w.name || unmet.Root == w.name+":"+w.arch {
			return &Mistake{Attr: "packages", Value: word, Text: unmet.Text, Hint: strings.Join(unmet.Chain, "; "), Err: unmet}
		}
	}
	return unmet
}

// wanted are the names of the packages that b asks for. All that are not available
// are reported at once.
func wanted(u *solve.Universe, b Bootstrap) ([]string, error) {
	var names []string
	var ms Mistakes
	for _, word := range b.Packages {
		w, _ := parseWish(word)
		name := w.name
		if w.arch != "" && w.arch != u.Arch() {
			name += ":" + w.arch
		}
		names = append(names, name)
		m := &Mistake{Attr: "packages", Value: word}
		switch {
		case w.version != "":
			if err := u.Pin(name, w.version); err != nil {
				m.Text, m.Err = err.Error(), err
				ms = append(ms, m)
			}
		case !u.Has(name):
			m.Text = fmt.Sprintf("package %q is not in %s (%s)", word, u.Suites(), u.Arch())
			m.Known = u.Names()
			ms = append(ms, m)
		}
	}
	return names, ms.orNil()
}

func newPackage(p *solve.Package, from archive, role Role, auto bool) Package {
	name, _, _ := strings.Cut(p.Name, ":")
	out := Package{
		Name: name, Version: p.Version, Arch: p.Arch, Role: role, Auto: auto,
		URL: from.URL, Filename: p.Filename, Size: p.File.Size, Sum: p.File.Sum, Installed: p.Installed,
	}
	if role == Extra {
		out.Stanza = p.Stanza
	}
	return out
}
