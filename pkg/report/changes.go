// SPDX-License-Identifier: MPL-2.0

package report

import (
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/release"
)

// Former is the newest of some reports that is of the same declarations and targets as r,
// done, and older; nil if none is.
func Former(r *history.Report, all []*history.Report) *history.Report {
	var best *history.Report
	for _, x := range all {
		if x.BuildID == r.BuildID || x.Status != history.Done || !x.Start.Before(r.Start) || !slices.Equal(x.Targets, r.Targets) || !slices.Equal(namesOf(x), namesOf(r)) {
			continue
		}
		if best == nil || x.Start.After(best.Start) {
			best = x
		}
	}
	return best
}

// namesOf are the names of the declaration's files, without directories: of the same
// declaration, another job may have another folder.
func namesOf(r *history.Report) []string {
	var names []string
	for _, f := range r.Declarations {
		names = append(names, filepath.Base(f.Name))
	}
	return names
}

// LayerChange is a step that has left other layers than in the build before.
type LayerChange struct {
	Stage, Kind, Text string
	Size              int64 // of the layers that are new, or gone
	Layers            int
}

// LayerChanges are the differences of two builds by the layers of their steps.
type LayerChanges struct {
	New, Gone []LayerChange
	Same      int   // layers that both have
	SameSize  int64 // bytes of those
	Unknown   bool  // a report does not say which layers there are
}

// CompareLayers compares two builds.
func CompareLayers(now, former *history.Report) LayerChanges {
	var c LayerChanges
	a, b := layersOf(now), layersOf(former)
	if len(a) == 0 || len(b) == 0 {
		c.Unknown = true
		return c
	}
	c.New = missing(now, b)
	c.Gone = missing(former, a)
	for _, s := range now.Stages {
		for _, p := range s.Steps {
			n := 0
			for _, l := range p.Layers {
				if b[l] {
					n++
				}
			}
			if c.Same += n; n > 0 && n == len(p.Layers) {
				c.SameSize += p.Size
			}
		}
	}
	return c
}

func layersOf(r *history.Report) map[string]bool {
	out := map[string]bool{}
	for _, s := range r.Stages {
		for _, p := range s.Steps {
			for _, l := range p.Layers {
				out[l] = true
			}
		}
	}
	return out
}

// missing are the steps of a build that have layers which are not among some.
func missing(r *history.Report, among map[string]bool) []LayerChange {
	var out []LayerChange
	for _, s := range r.Stages {
		for _, p := range s.Steps {
			n := 0
			for _, l := range p.Layers {
				if !among[l] {
					n++
				}
			}
			if n > 0 {
				out = append(out, LayerChange{Stage: s.ID, Kind: p.Kind, Text: p.Text, Size: p.Size, Layers: n})
			}
		}
	}
	return out
}

// Changes are what differs from the build before.
type Changes struct {
	Since    string // build id
	Layers   LayerChanges
	Packages *release.Changes // nil where they are not known
	Why      string           // they are not
}
