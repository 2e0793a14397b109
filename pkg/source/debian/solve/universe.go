// SPDX-License-Identifier: MPL-2.0

package solve

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"pault.ag/go/debian/version"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Package is one version of one package as an index describes it. Fields that the
// first scan does not need are parsed by load when the package is considered.
type Package struct {
	field.Subject // Ver and Provides are set after load

	Version string
	Archive int    // its archive, counted as for Add
	Stanza  string // its index entry

	Arch      string
	Filename  string // path below the archive
	File      field.File
	Installed int64 // bytes, 0 if the index does not say

	loaded, essential            bool
	priority                     string
	preDepends, depends, against []field.Relation // against: Conflicts and Breaks
}

// Universe is everything that the archives offer.
type Universe struct {
	arch      string
	foreign   []string              // architectures beside arch
	suites    []string              // for messages
	byName    map[string][]*Package // all versions
	providers map[string][]*Package // by virtual name
	candidate map[string]*Package   // the version chosen of a name
}

// New is an empty universe for an architecture and foreign architectures. The names
// of the suites are used in messages.
func New(arch string, foreign, suites []string) *Universe {
	return &Universe{
		arch: arch, foreign: foreign, suites: suites,
		byName: map[string][]*Package{}, providers: map[string][]*Package{}, candidate: map[string]*Package{},
	}
}

// Arch is the architecture.
func (u *Universe) Arch() string { return u.arch }

// Suites are the names of the suites, as a message lists them.
func (u *Universe) Suites() string { return strings.Join(u.suites, ", ") }

// Has reports whether there is a package of this name, or one that provides it.
func (u *Universe) Has(name string) bool {
	return len(u.byName[name]) > 0 || len(u.providers[name]) > 0
}

// Names are the names of all packages, sorted.
func (u *Universe) Names() []string { return slices.Sorted(maps.Keys(u.byName)) }

// Add scans the text of a Packages file. Archive 0 is the suite itself. Only names,
// versions, priorities and provided names are parsed: an index has 60,000 stanzas,
// of which a bootstrap uses a hundred.
func (u *Universe) Add(archive int, text string) error {
	for n := 1; text != ""; n++ {
		s, rest, _ := strings.Cut(text, "\n\n")
		text = strings.TrimLeft(rest, "\n")
		p := &Package{Archive: archive, Stanza: s}
		var provides, arch string
		for s != "" {
			var line string
			line, s, _ = strings.Cut(s, "\n")
			if line == "" || line[0] == ' ' || line[0] > 'V' {
				continue
			}
			switch {
			case strings.HasPrefix(line, "Package: "):
				p.Name = strings.TrimSpace(line[len("Package: "):])
			case strings.HasPrefix(line, "Version: "):
				p.Version = strings.TrimSpace(line[len("Version: "):])
			case strings.HasPrefix(line, "Priority: "):
				p.priority = strings.TrimSpace(line[len("Priority: "):])
			case strings.HasPrefix(line, "Provides: "):
				provides = line[len("Provides: "):]
			case strings.HasPrefix(line, "Architecture: "):
				arch = strings.TrimSpace(line[len("Architecture: "):])
			case strings.HasPrefix(line, "Essential: yes"):
				p.essential = true
			}
		}
		if p.Name == "" && strings.TrimSpace(p.Stanza) == "" {
			continue
		}
		if !field.IsPackage(p.Name) || !field.IsVersion(p.Version) {
			return fmt.Errorf("paragraph %d: package %q, version %q", n, p.Name, p.Version)
		}
		if !u.place(p, arch) {
			continue
		}
		u.byName[p.Name] = append(u.byName[p.Name], p)
		u.addProvides(p, provides)
	}
	return nil
}

func (u *Universe) addProvides(p *Package, provides string) {
	for provides != "" {
		var one string
		one, provides, _ = strings.Cut(provides, ",")
		one = strings.TrimSpace(one)
		if n := strings.IndexAny(one, " (:"); n >= 0 {
			one = one[:n]
		}
		if _, arch, foreign := strings.Cut(p.Name, ":"); foreign && one != "" {
			one += ":" + arch
		}
		if one != "" && !slices.Contains(u.providers[one], p) {
			u.providers[one] = append(u.providers[one], p)
		}
	}
}

// pick is the version of name to use: the highest one in the first archive that has
// the package, or nil if there is none.
func (u *Universe) pick(name string) (*Package, error) {
	if p, ok := u.candidate[name]; ok {
		return p, nil
	}
	var best *Package
	for _, p := range u.byName[name] {
		if err := u.load(p); err != nil {
			return nil, err
		}
		if best == nil || version.Compare(p.Ver, best.Ver) > 0 {
			best = p
		}
	}
	u.candidate[name] = best
	return best, nil
}

// Pin selects the given version of name.
func (u *Universe) Pin(name, want string) error {
	var have []string
	for _, p := range u.byName[name] {
		if p.Version == want {
			u.candidate[name] = p
			return u.load(p)
		}
		have = append(have, p.Version)
	}
	if have == nil {
		return fmt.Errorf("package %s: there is none of this name", name)
	}
	return fmt.Errorf("package %s: there is no version %s, only %s", name, want, strings.Join(have, ", "))
}

// load parses the rest of p's debfile.Stanza.
func (u *Universe) load(p *Package) error {
	if p.loaded {
		return nil
	}
	err := func() error {
		s, err := debfile.ParseStanza(p.Stanza)
		if err != nil {
			return err
		}
		if p.Ver, err = version.Parse(p.Version); err != nil {
			return err
		}
		p.Arch, p.Multi, p.Filename = s.Get("Architecture"), s.Get("Multi-Arch"), s.Get("Filename")
		if p.File.Sum = s.Get("SHA256"); p.File.Sum == "" {
			p.File.Sum = s.Get("SHA512")
		}
		if p.File.Size, err = strconv.ParseInt(s.Get("Size"), 10, 64); err != nil || p.File.Size < 0 {
			return fmt.Errorf("field Size: %q", s.Get("Size"))
		}
		// KiB. It is only used to estimate the required space.
		if kib, err := strconv.ParseInt(s.Get("Installed-Size"), 10, 64); err == nil && kib >= 0 && kib < 1<<40 {
			p.Installed = kib << 10
		}
		if !field.IsSum(p.File.Sum) {
			return fmt.Errorf("no valid SHA256 or SHA512: %q", p.File.Sum)
		}
		if !field.IsPoolPath(p.Filename) {
			return fmt.Errorf("field Filename: %q", p.Filename)
		}
		return u.loadRelations(p, s)
	}()
	if err != nil {
		return fmt.Errorf("index entry of %s %s: %w", p.Name, p.Version, err)
	}
	p.loaded = true
	return nil
}

func (u *Universe) loadRelations(p *Package, s debfile.Stanza) error {
	own := u.arch
	if _, arch, ok := strings.Cut(p.Name, ":"); ok {
		own = arch
	}
	for _, f := range []struct {
		name string
		to   *[]field.Relation
	}{{"Pre-Depends", &p.preDepends}, {"Depends", &p.depends}, {"Conflicts", &p.against}, {"Breaks", &p.against}} {
		list, err := field.ParseRelations(s.Get(f.name), own)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.name, err)
		}
		for i, r := range list {
			if f.to == &p.against {
				list[i] = u.against(p, r)
			} else {
				list[i] = u.depends(own, r)
			}
		}
		*f.to = append(*f.to, list...)
	}
	provides, err := field.ParseRelations(s.Get("Provides"), own)
	if err != nil {
		return fmt.Errorf("field Provides: %w", err)
	}
	for _, r := range provides {
		for _, a := range r {
			if own != u.arch {
				a.Name += ":" + own
			}
			p.Provides = append(p.Provides, a)
		}
	}
	return nil
}

// options are the packages that satisfy a, best first: the named one, then those
// that provide it by priority and name.
func (u *Universe) options(a field.Alternative) ([]*Package, error) {
	var out []*Package
	p, err := u.pick(a.Name)
	if err != nil {
		return nil, err
	}
	if p != nil && a.Matches(&p.Subject, u.arch) {
		out = append(out, p)
	}
	var virtual []*Package
	for _, provider := range u.providers[a.Name] {
		p, err := u.pick(provider.Name)
		if err != nil {
			return nil, err
		}
		if p == provider && p.Name != a.Name && a.ProvidedBy(&p.Subject, u.arch) {
			virtual = append(virtual, p)
		}
	}
	slices.SortFunc(virtual, func(a, b *Package) int {
		return cmp.Or(cmp.Compare(rank(a.priority), rank(b.priority)), cmp.Compare(a.Name, b.Name))
	})
	return append(out, virtual...), nil
}

func rank(priority string) int {
	if n := slices.Index([]string{"required", "important", "standard", "optional"}, priority); n >= 0 {
		return n
	}
	return 4
}

// WithPriority names the packages of the main suite that are Essential, or have one
// of the priorities, in order. The main suite determines these, whatever version an
// update contains.
func (u *Universe) WithPriority(essential bool, priorities []string) []string {
	var names []string
	for name, versions := range u.byName {
		for _, p := range versions {
			if p.Archive == 0 && !strings.Contains(name, ":") && (essential && p.essential || slices.Contains(priorities, p.priority)) {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}
