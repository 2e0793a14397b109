// SPDX-License-Identifier: MPL-2.0

package feed

import (
	"fmt"
	"strings"
)

// named is a name with a version, as relations have it.
type named struct{ name, version string }

// solver finds the largest set of packages that can be kept together: those
// whose relations are the older ones' once each kept package has its older
// version. It starts with all that are equal and drops those for which that
// does not hold, until it holds for all. Packages that depend on each other in
// a circle are thus kept.
//
// A name and a version may stand for packages of several architectures, and
// relations do not say which is meant: all of them are kept, at one version,
// or none.
type solver struct {
	pairs  []*pair
	groups map[named][]*pair // by name and new version
	kept   map[named]string  // what a version of a name becomes
	from   map[named][]*pair // who says so
}

func solve(pairs []*pair) *solver {
	s := &solver{pairs: pairs, groups: map[named][]*pair{}}
	for _, p := range pairs {
		g := named{p.new.Name, p.new.Version}
		s.groups[g] = append(s.groups[g], p)
	}
	s.dropBroken()
	for s.collect() || s.dropChanged() {
	}
	return s
}

// version is what a relation's version becomes in the new feed.
func (s *solver) version(r ref) string {
	if v, ok := s.kept[named{r.name, r.version}]; ok {
		return v
	}
	return r.version
}

// collect builds the table of kept versions anew. It drops packages that
// contradict each other, and reports whether it did.
func (s *solver) collect() bool {
	s.kept, s.from = map[named]string{}, map[named][]*pair{}
	dropped := false
	for _, p := range s.pairs {
		if p.reason != "" {
			dropped = s.dropGroup(p) || dropped
			continue
		}
		for from, to := range p.versions() {
			if have, ok := s.kept[from]; ok && have != to {
				why := fmt.Sprintf("%s %s would become both %s and %s", from.name, from.version, have, to)
				for _, q := range append(s.from[from], p) {
					dropped = s.drop(q, why) || dropped
				}
			}
			s.kept[from] = to
			s.from[from] = append(s.from[from], p)
		}
	}
	return dropped
}

// versions are what p's name, and what it provides by version, become if the
// older package is kept.
func (p *pair) versions() map[named]string {
	out := map[named]string{{p.new.Name, p.new.Version}: p.old.Version}
	for i, r := range p.new.refs {
		if strings.EqualFold(r.field, "Provides") {
			out[named{r.name, r.version}] = p.old.refs[i].version
		}
	}
	return out
}

// drop takes the new package, and reports whether it was kept before.
func (s *solver) drop(p *pair, why string) bool {
	if p.reason != "" {
		return false
	}
	p.reason = why
	return true
}

// dropGroup drops the packages that share name and version with p.
func (s *solver) dropGroup(p *pair) bool {
	dropped := false
	for _, q := range s.groups[named{p.new.Name, p.new.Version}] {
		dropped = s.drop(q, fmt.Sprintf("that of %s is not kept", p.new.Arch)) || dropped
	}
	return dropped
}

// dropChanged drops packages that relate to another version than the older
// package does.
func (s *solver) dropChanged() bool {
	dropped := false
	for _, p := range s.pairs {
		if p.reason != "" {
			continue
		}
		for i, r := range p.new.refs {
			if s.version(r) != p.old.refs[i].version {
				dropped = s.drop(p, fmt.Sprintf("%s of %s: version %s was %s", r.field, r.name, s.version(r), p.old.refs[i].version))
				break
			}
		}
	}
	return dropped
}

// dropBroken drops packages whose older version is outside of what another one
// asks for, or inside of what it excludes, where the new version is not.
func (s *solver) dropBroken() {
	byName := map[string][]*pair{}
	for _, p := range s.pairs {
		if p.reason == "" && p.old.Version != p.new.Version {
			byName[p.new.Name] = append(byName[p.new.Name], p)
		}
	}
	for _, q := range s.pairs {
		for _, r := range q.new.refs {
			for _, p := range byName[r.name] {
				if r.version != p.new.Version && holds(p.new.Version, r.op, r.version) != holds(p.old.Version, r.op, r.version) {
					s.drop(p, fmt.Sprintf("%s has %s %s (%s %s)", q.new.Name, r.field, r.name, r.op, r.version))
				}
			}
		}
	}
}
