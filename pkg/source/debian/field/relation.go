// SPDX-License-Identifier: MPL-2.0

package field

import (
	"fmt"
	"slices"
	"strings"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

// A Relation is one comma-separated part of Depends and similar fields: any of its
// alternatives satisfies it.
type Relation []Alternative

// Alternative is NAME[:ARCH] [(OP VERSION)].
type Alternative struct {
	Name string
	Arch string // "" if unqualified; "any", or an architecture
	Op   string // <<, <=, =, >=, >>, or "" for any version
	Ver  version.Version
	Text string // as written, for messages

	Elsewhere bool // satisfied only by packages with Multi-Arch: foreign
}

// Subject has the properties of a package that relations refer to.
type Subject struct {
	Name     string // NAME:ARCH if the architecture is not the index's own
	Multi    string // its field Multi-Arch
	Ver      version.Version
	Provides []Alternative
}

// ParseRelations parses a relationship field (Debian Policy 7.1). Alternatives for
// other architectures are dropped.
func ParseRelations(text, arch string) ([]Relation, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	parsed, err := dependency.Parse(strings.ReplaceAll(text, "\n", " "))
	if err != nil {
		return nil, err
	}
	host, err := dependency.ParseArch(arch)
	if err != nil {
		return nil, err
	}
	var out []Relation
	for _, r := range parsed.Relations {
		var alternatives Relation
		for _, p := range r.Possibilities {
			if p.Substvar {
				return nil, fmt.Errorf("substitution variable ${%s}", p.Name)
			}
			if p.Architectures != nil && !p.Architectures.Matches(host) {
				continue
			}
			a, err := newAlternative(p)
			if err != nil {
				return nil, err
			}
			alternatives = append(alternatives, a)
		}
		if len(alternatives) > 0 {
			out = append(out, alternatives)
		}
	}
	return out, nil
}

func newAlternative(p dependency.Possibility) (Alternative, error) {
	a := Alternative{Name: p.Name, Text: p.Name}
	if p.Arch != nil {
		a.Arch = p.Arch.String()
		a.Text += ":" + a.Arch
	}
	if p.Version != nil {
		v, err := version.Parse(p.Version.Number)
		if err != nil {
			return a, fmt.Errorf("%s: %w", p.Name, err)
		}
		a.Op, a.Ver = p.Version.Operator, v
		a.Text += fmt.Sprintf(" (%s %s)", a.Op, p.Version.Number)
	}
	return a, nil
}

func (r Relation) String() string {
	var words []string
	for _, a := range r {
		if !slices.Contains(words, a.Text) { // for another architecture
			words = append(words, a.Text)
		}
	}
	return strings.Join(words, " | ")
}

// admits reports whether version v is in the range of a.
func (a Alternative) admits(v version.Version) bool {
	c := version.Compare(v, a.Ver)
	switch a.Op {
	case "":
		return true
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case ">>":
		return c > 0
	}
	return false
}

// Matches reports whether p itself, as opposed to what it provides, satisfies a.
// There is one architecture, so :any means the package of that one, if its
// Multi-Arch field allows this.
func (a Alternative) Matches(p *Subject, arch string) bool {
	switch a.Arch {
	case "", arch, "native":
	case "any":
		if p.Multi != "allowed" {
			return false
		}
	default:
		return false
	}
	return a.Name == p.Name && a.admits(p.Ver) && (!a.Elsewhere || p.Multi == "foreign")
}

// ProvidedBy reports whether something that p provides satisfies a. Only a
// versioned Provides satisfies a versioned relation (Policy 7.5).
func (a Alternative) ProvidedBy(p *Subject, arch string) bool {
	if a.Arch != "" && a.Arch != arch && a.Arch != "native" && (a.Arch != "any" || p.Multi != "allowed") {
		return false
	}
	if a.Elsewhere && p.Multi != "foreign" {
		return false
	}
	for _, v := range p.Provides {
		if v.Name != a.Name {
			continue
		}
		if a.Op == "" || (v.Op == "=" && a.admits(v.Ver)) {
			return true
		}
	}
	return false
}
