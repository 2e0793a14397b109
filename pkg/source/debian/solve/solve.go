// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Solver chooses packages so that the requested packages and their dependencies are
// present and nothing conflicts. Its preferences are those of apt: the first
// alternative that an earlier choice satisfies, else the first available one.
// Dependencies with a single solution are resolved before those with several, and a
// choice that leads to a contradiction is undone.
type Solver struct {
	u       *Universe
	chosen  map[string]*Package
	order   []*Package            // chosen, in the order of choice
	virtual map[string][]*Package // chosen packages by a name that they provide
	against map[string][]claim
	why     map[*Package]need // reason why a package was chosen

	single, multi []need // work, consumed from the front by nextS and nextM
	nextS, nextM  int
	choices       []choice
	failure       error // the first contradiction found
	steps         int
}

// need is a relation and the package that has it; by is nil for what the
// declaration names.
type need struct {
	by  *Package
	rel field.Relation
}

// claim is a package's conflict with alternative a.
type claim struct {
	by *Package
	a  field.Alternative
}

// choice has the state before a choice between several solutions, to return to it.
type choice struct {
	need                                 need
	options                              []*Package // those not tried yet
	chosen, single, multi, nextS, nextM_ int
}

const maxSteps = 200_000

// NewSolver returns a solver that has chosen nothing yet.
func NewSolver(u *Universe) *Solver {
	return &Solver{
		u: u, chosen: map[string]*Package{}, virtual: map[string][]*Package{},
		against: map[string][]claim{}, why: map[*Package]need{},
	}
}

// Install adds the named packages and all their dependencies, and returns what it
// has added, each package after its dependencies as far as cycles allow. Choices of
// earlier calls are kept. A dependency that cannot be satisfied is an UnmetError.
func (s *Solver) Install(names []string) ([]*Package, error) {
	from := len(s.order)
	if err := s.install(names); err != nil {
		return nil, err
	}
	return inOrder(s, s.order[from:]), nil
}

func (s *Solver) install(names []string) error {
	s.choices = nil
	for _, name := range names {
		s.push(need{rel: field.Relation{{Name: name, Text: name}}})
	}
	for {
		n, ok := s.next()
		if !ok {
			return nil
		}
		if s.steps++; s.steps > maxSteps {
			return fmt.Errorf("dependencies: no solution found in %d steps; the first obstacle was: %w", maxSteps, s.failure)
		}
		options, err := s.open(n)
		if err != nil {
			return err
		}
		if options == nil {
			continue // already satisfied
		}
		if !s.try(n, options) && !s.back() {
			return s.failure
		}
	}
}

func (s *Solver) push(n need) {
	if len(n.rel) == 1 && len(s.u.providers[n.rel[0].Name]) == 0 {
		s.single = append(s.single, n)
	} else {
		s.multi = append(s.multi, n)
	}
}

func (s *Solver) next() (need, bool) {
	if s.nextS < len(s.single) {
		s.nextS++
		return s.single[s.nextS-1], true
	}
	if s.nextM < len(s.multi) {
		s.nextM++
		return s.multi[s.nextM-1], true
	}
	return need{}, false
}

// open lists the packages that would satisfy n, or nil if a chosen package does.
func (s *Solver) open(n need) ([]*Package, error) {
	options := []*Package{}
	for _, a := range n.rel {
		if p := s.chosen[a.Name]; p != nil && a.Matches(&p.Subject, s.u.arch) {
			return nil, nil
		}
		for _, p := range s.virtual[a.Name] {
			if a.ProvidedBy(&p.Subject, s.u.arch) {
				return nil, nil
			}
		}
		more, err := s.u.options(a)
		if err != nil {
			return nil, err
		}
		for _, p := range more {
			if !slices.Contains(options, p) {
				options = append(options, p)
			}
		}
	}
	return options, nil
}

// try chooses the first of options that is possible, and notes the others.
func (s *Solver) try(n need, options []*Package) bool {
	at := choice{n, nil, len(s.order), len(s.single), len(s.multi), s.nextS, s.nextM}
	var obstacles []string
	for i, p := range options {
		if o := s.obstacle(p); o != "" {
			obstacles = append(obstacles, o)
			continue
		}
		if i+1 < len(options) {
			at.options = options[i+1:]
			s.choices = append(s.choices, at)
		}
		s.choose(p, n)
		return true
	}
	if s.failure == nil {
		s.failure = s.explain(n, obstacles)
	}
	return false
}

// back returns to the last choice that has an untried option, and takes it.
func (s *Solver) back() bool {
	for len(s.choices) > 0 {
		c := s.choices[len(s.choices)-1]
		s.choices = s.choices[:len(s.choices)-1]
		for len(s.order) > c.chosen {
			s.unchoose()
		}
		s.single, s.multi = s.single[:c.single], s.multi[:c.multi]
		s.nextS, s.nextM = c.nextS, c.nextM_
		if s.try(c.need, c.options) {
			return true
		}
		if s.steps++; s.steps > maxSteps {
			return false
		}
	}
	return false
}

// obstacle says why p cannot be added to the chosen packages; "" if it can.
func (s *Solver) obstacle(p *Package) string {
	if q := s.chosen[p.Name]; q != nil {
		return fmt.Sprintf("%s %s is already chosen", q.Name, q.Version)
	}
	if o := s.sibling(p); o != "" {
		return o
	}
	for _, c := range s.against[p.Name] {
		if c.a.Matches(&p.Subject, s.u.arch) {
			return fmt.Sprintf("%s conflicts with %s", c.by.Name, c.a.Text)
		}
	}
	for _, v := range p.Provides {
		for _, c := range s.against[v.Name] {
			if c.a.ProvidedBy(&p.Subject, s.u.arch) {
				return fmt.Sprintf("%s conflicts with %s, which %s provides", c.by.Name, c.a.Text, p.Name)
			}
		}
	}
	for _, r := range p.against {
		for _, a := range r {
			if q := s.chosen[a.Name]; q != nil && a.Matches(&q.Subject, s.u.arch) {
				return fmt.Sprintf("%s conflicts with %s", p.Name, a.Text)
			}
			for _, q := range s.virtual[a.Name] {
				if a.ProvidedBy(&q.Subject, s.u.arch) {
					return fmt.Sprintf("%s conflicts with %s, which %s provides", p.Name, a.Text, q.Name)
				}
			}
		}
	}
	return ""
}

func (s *Solver) choose(p *Package, n need) {
	s.chosen[p.Name], s.why[p] = p, n
	s.order = append(s.order, p)
	for _, v := range p.Provides {
		s.virtual[v.Name] = append(s.virtual[v.Name], p)
	}
	for _, r := range p.against {
		for _, a := range r {
			s.against[a.Name] = append(s.against[a.Name], claim{p, a})
		}
	}
	for _, r := range slices.Concat(p.preDepends, p.depends) {
		s.push(need{p, r})
	}
}

// unchoose undoes the last choose, whose entries are the last in the lists.
func (s *Solver) unchoose() {
	p := s.order[len(s.order)-1]
	s.order = s.order[:len(s.order)-1]
	delete(s.chosen, p.Name)
	delete(s.why, p)
	for _, v := range p.Provides {
		s.virtual[v.Name] = s.virtual[v.Name][:len(s.virtual[v.Name])-1]
	}
	for _, r := range p.against {
		for _, a := range r {
			s.against[a.Name] = s.against[a.Name][:len(s.against[a.Name])-1]
		}
	}
}

// explain says what is missing and who needs it, up to the declaration.
func (s *Solver) explain(n need, obstacles []string) error {
	var b strings.Builder
	if n.by == nil {
		fmt.Fprintf(&b, "package %q", n.rel)
	} else {
		fmt.Fprintf(&b, "%s %s depends on %s, which", n.by.Name, n.by.Version, n.rel)
	}
	if len(obstacles) > 0 {
		fmt.Fprintf(&b, " cannot be had: %s", strings.Join(obstacles, "; "))
	} else {
		fmt.Fprintf(&b, " is not in %s (%s)", s.u.Suites(), s.u.arch)
		b.WriteString(s.otherVersions(n.rel))
	}
	e := &UnmetError{Text: b.String()}
	for p := n.by; p != nil; p = s.why[p].by {
		if by := s.why[p].by; by != nil {
			e.Chain = append(e.Chain, p.Name+" is needed by "+by.Name)
		} else {
			e.Chain, e.Root = append(e.Chain, p.Name+" was asked for"), p.Name
		}
	}
	return e
}

// UnmetError is about a dependency that cannot be satisfied.
type UnmetError struct {
	Text  string
	Chain []string // chain of dependencies, up to what was asked for
	Root  string   // which is this package; "" if it is the dependency itself
}

func (e *UnmetError) Error() string {
	return strings.Join(append([]string{e.Text}, e.Chain...), "\n  ")
}

func (s *Solver) otherVersions(r field.Relation) string {
	var have []string
	for _, a := range r {
		if p := s.u.candidate[a.Name]; p != nil {
			have = append(have, p.Name+" "+p.Version)
		}
	}
	if have == nil {
		return ""
	}
	return ", which has " + strings.Join(have, ", ")
}
