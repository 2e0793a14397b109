// SPDX-License-Identifier: MPL-2.0

package debian

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/source/debian/field"
)

// Locked is a Resolution in the form of a lock file: the request and the result. It
// contains only declared addresses of mirrors, so that it means the same on every
// host.
type Locked struct {
	Suite          string            `json:"suite"`
	Arch           string            `json:"arch"`
	Variant        string            `json:"variant"`
	Components     []string          `json:"components"`
	Wanted         []string          `json:"wanted,omitempty"` // packages that the declaration names
	Mirror         string            `json:"mirror,omitempty"` // as declared; likewise the next two
	SecurityMirror string            `json:"security-mirror,omitempty"`
	Snapshot       string            `json:"snapshot,omitempty"`
	MergedUsr      bool              `json:"merged-usr"`
	Releases       []LockedRelease   `json:"releases"`
	Packages       []string          `json:"packages"`          // NAME VERSION ARCH ROLE[,auto] SUITE SIZE SUM FILENAME
	Stanzas        map[string]string `json:"stanzas,omitempty"` // index entries of the packages that apt installs, by name
}

// LockedRelease says which state of a suite was used.
type LockedRelease struct {
	Suite string    `json:"suite"`
	Date  time.Time `json:"date"`
}

// Lock is the form of r, the result of b, for a lock file.
func (r *Resolution) Lock(b Bootstrap) Locked {
	l := Locked{
		Suite: b.Suite, Arch: b.arch(), Variant: b.variant(), Components: b.components(), Wanted: b.Packages,
		Mirror: b.Mirror, SecurityMirror: b.SecurityMirror, Snapshot: b.Snapshot, MergedUsr: r.MergedUsr, Stanzas: map[string]string{},
	}
	suite := map[string]string{}
	for _, rel := range slices.Backward(r.Releases) { // of several suites on one mirror the first
		suite[rel.URL] = rel.Suite
	}
	for _, rel := range r.Releases {
		l.Releases = append(l.Releases, LockedRelease{rel.Suite, rel.Date})
	}
	for _, p := range r.Packages {
		role := string(p.Role)
		if p.Auto {
			role += ",auto"
		}
		l.Packages = append(l.Packages, strings.Join([]string{p.Name, p.Version, p.Arch, role, suite[p.URL], strconv.FormatInt(p.Size, 10), p.Sum, p.Filename}, " "))
		if p.Stanza != "" {
			l.Stanzas[r.qualified(p)] = p.Stanza
		}
	}
	return l
}

// IsOf reports whether l is for the request b.
func (l Locked) IsOf(b Bootstrap) bool {
	return l.Suite == b.Suite && l.Arch == b.arch() && l.Variant == b.variant() && slices.Equal(l.Components, b.components()) &&
		slices.Equal(l.Wanted, b.Packages) && l.Mirror == b.Mirror && l.SecurityMirror == b.SecurityMirror && l.Snapshot == b.Snapshot
}

// Resolution is the result of b when it was locked, read from this host's mirrors.
// Hashes and names are checked: a lock file may have been edited.
func (l Locked) Resolution(b Bootstrap, h Host) (*Resolution, error) {
	archives, err := b.archives(h)
	if err != nil {
		return nil, err
	}
	byName := map[string]archive{}
	for _, a := range archives {
		byName[a.Suite] = a
	}
	r := &Resolution{Suite: b.Suite, Arch: b.arch(), Variant: b.variant(), Foreign: b.foreign(), MergedUsr: l.MergedUsr}
	var used []archive
	for _, rel := range l.Releases {
		a, ok := byName[rel.Suite]
		if !ok {
			return nil, fmt.Errorf("the lock file has %s, which this host's settings leave out", rel.Suite)
		}
		used = append(used, a)
		r.Releases = append(r.Releases, Release{Suite: rel.Suite, URL: a.URL, Date: rel.Date})
	}
	if len(used) == 0 {
		return nil, errors.New("the lock file names no release")
	}
	for _, a := range archives {
		if a.Updates && !slices.Contains(used, a) {
			r.Without = append(r.Without, a.Suite)
		}
	}
	r.Sources = b.sourcesList(used, func(a archive) string { return a.Public })
	for _, line := range l.Packages {
		p, err := l.pkg(r, line, byName)
		if err != nil {
			return nil, fmt.Errorf("the lock file has the package %q: %w", line, err)
		}
		r.Packages = append(r.Packages, p)
	}
	return r, nil
}

// pkg parses the package of one line.
func (l Locked) pkg(r *Resolution, line string, archives map[string]archive) (Package, error) {
	f := strings.Split(line, " ")
	if len(f) != 8 {
		return Package{}, errors.New("want eight words")
	}
	role, auto := strings.CutSuffix(f[3], ",auto")
	size, err := strconv.ParseInt(f[5], 10, 64)
	a, known := archives[f[4]]
	switch {
	case err != nil, size < 0:
		return Package{}, fmt.Errorf("its size is %q", f[5])
	case !field.IsPackage(f[0]), !field.IsVersion(f[1]), !field.IsArch(f[2]):
		return Package{}, errors.New("that is not a name, version and architecture")
	case !slices.Contains([]Role{Essential, Required, Extra}, Role(role)):
		return Package{}, fmt.Errorf("its role is %q", role)
	case !known:
		return Package{}, fmt.Errorf("no release %q", f[4])
	case !field.IsSum(f[6]), !field.IsPoolPath(f[7]):
		return Package{}, errors.New("its hash or file name is damaged")
	}
	p := Package{Name: f[0], Version: f[1], Arch: f[2], Role: Role(role), Auto: auto, URL: a.URL, Filename: f[7], Size: size, Sum: f[6]}
	if p.Role == Extra {
		p.Stanza = l.Stanzas[r.qualified(p)]
		if p.Stanza == "" {
			return Package{}, errors.New("its index entry is missing")
		}
	}
	return p, nil
}
