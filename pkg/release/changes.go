// SPDX-License-Identifier: MPL-2.0

package release

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Changes are what a release has that a former one has not, and the reverse.
type Changes struct {
	Since    string          `json:"since"` // version, or build id, of the former one
	Added    []Package       `json:"added,omitempty"`
	Removed  []Package       `json:"removed,omitempty"`
	Changed  []PackageChange `json:"changed,omitempty"`
	Layers   []LayerChange   `json:"layers,omitempty"`
	Unlisted bool            `json:"unlisted,omitempty"` // one of the two has no list of packages
}

// PackageChange is a package of another version.
type PackageChange struct {
	Name         string `json:"name"`
	Architecture string `json:"architecture"`
	Old          string `json:"old"`
	New          string `json:"new"`
}

// LayerChange is a git tree of another commit. A new one has no Old, one that
// is gone no New.
type LayerChange struct {
	Path    string   `json:"path"`
	URL     string   `json:"url"`
	OldURL  string   `json:"old_url,omitempty"` // where it was another one
	Old     string   `json:"old,omitempty"`
	New     string   `json:"new,omitempty"`
	Commits []Commit `json:"commits,omitempty"` // new ones, newest first
	Undone  []Commit `json:"undone,omitempty"`  // that the former release had and this one has not
	Omitted int      `json:"omitted,omitempty"` // commits beyond MaxCommits
	Unknown string   `json:"unknown,omitempty"` // why Commits are not known
}

// Commit is one line of a log.
type Commit struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Subject string    `json:"subject"`
}

// Log are the commits that to has in its history and from has not, newest
// first.
type Log func(ctx context.Context, url, from, to string) ([]Commit, error)

// MaxCommits of a layer are listed; a year of one may have ten thousand.
const MaxCommits = 500

// compare fills in the changes since a former release.
func compare(ctx context.Context, now, former *Release, log Log) *Changes {
	c := &Changes{Since: former.title(), Unlisted: len(now.Packages) == 0 || len(former.Packages) == 0}
	if !c.Unlisted {
		c.packages(now.Packages, former.Packages)
	}
	c.layers(ctx, now.Layers, former.Layers, log)
	return c
}

// ComparePackages compares two sorted lists of packages.
func ComparePackages(now, former []Package) *Changes {
	c := &Changes{Unlisted: len(now) == 0 || len(former) == 0}
	if !c.Unlisted {
		c.packages(now, former)
	}
	return c
}

type packageID struct{ name, arch string }

// packages compares two sorted lists. A name may be there in several versions,
// such as kernels of some package managers: then versions come and go.
func (c *Changes) packages(now, former []Package) {
	a, b := versions(now), versions(former)
	for _, p := range now {
		id := packageID{p.Name, p.Architecture}
		old := b[id]
		switch {
		case len(a[id]) == 1 && len(old) == 1:
			if old[0] != p.Version {
				c.Changed = append(c.Changed, PackageChange{p.Name, p.Architecture, old[0], p.Version})
			}
		case !slices.Contains(old, p.Version):
			c.Added = append(c.Added, p)
		}
	}
	for _, p := range former {
		id := packageID{p.Name, p.Architecture}
		if !(len(a[id]) == 1 && len(b[id]) == 1) && !slices.Contains(a[id], p.Version) {
			c.Removed = append(c.Removed, p)
		}
	}
}

func versions(list []Package) map[packageID][]string {
	out := map[packageID][]string{}
	for _, p := range list {
		id := packageID{p.Name, p.Architecture}
		out[id] = append(out[id], p.Version)
	}
	return out
}

// layers compares two lists that are sorted by path.
func (c *Changes) layers(ctx context.Context, now, former []Layer, log Log) {
	old := map[string]Layer{}
	for _, l := range former {
		old[l.Path] = l
	}
	for _, l := range now {
		o, ok := old[l.Path]
		delete(old, l.Path)
		if ok && o.Commit == l.Commit {
			continue
		}
		x := LayerChange{Path: l.Path, URL: publicURL(l.URL), New: l.Commit}
		if ok {
			x.Old = o.Commit
			if publicURL(o.URL) != x.URL {
				x.OldURL = publicURL(o.URL)
			}
			x.read(ctx, cmp.Or(l.Mirror, l.URL), log)
		}
		c.Layers = append(c.Layers, x)
	}
	for _, l := range former {
		if _, gone := old[l.Path]; gone {
			c.Layers = append(c.Layers, LayerChange{Path: l.Path, URL: publicURL(l.URL), Old: l.Commit})
		}
	}
}

// read asks for the log between the two commits. It is of use without one.
func (x *LayerChange) read(ctx context.Context, url string, log Log) {
	var err error
	if x.Commits, err = log(ctx, url, x.Old, x.New); err == nil {
		x.Undone, err = log(ctx, url, x.New, x.Old)
	}
	if err != nil {
		x.Commits, x.Undone, x.Unknown = nil, nil, "the two commits are not both in the cache of git layers"
		return
	}
	for _, list := range []*[]Commit{&x.Commits, &x.Undone} {
		if n := len(*list) - MaxCommits; n > 0 {
			x.Omitted += n
			*list = (*list)[:MaxCommits]
		}
	}
}
