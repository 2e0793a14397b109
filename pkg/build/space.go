// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// Forecast is what a build is going to take of file systems, as far as that can
// be told before it runs.
type Forecast struct {
	Downloads int64            // bytes of packages that the cache lacks
	Layers    int64            // bytes of steps that are going to run
	Stages    map[string]int64 // bytes of the files of each stage, its parents' included
	past      map[string]*Report
}

// Predict estimates from below: steps take what they took in the last build of
// this declaration, bootstraps what their packages say, and other steps nothing.
// Logs is the directory of builds' reports.
func (h History) Predict(declaration string, p *Plan, res *Resolved, fetcher *debian.Fetcher, logs string) *Forecast {
	f := &Forecast{Stages: map[string]int64{}, past: map[string]*Report{}}
	for i := range p.Stages {
		s := &p.Stages[i]
		past := f.stage(h, declaration, logs, s.ID)
		f.Stages[s.ID] = f.Stages[s.Stage.Prestage]
		runs := len(s.Steps) // the first that is going to run
		for runs > 0 && !s.Steps[runs-1].Cached {
			runs--
		}
		for j, step := range s.Steps {
			var n int64
			switch {
			case past != nil && j < len(past.Steps) && past.Steps[j].Kind == step.Kind:
				n = past.Steps[j].Size
			case step.Kind == BootstrapKind && res.Debian[s.ID] != nil:
				n = res.Debian[s.ID].InstalledSize()
			}
			f.Stages[s.ID] += n
			if j >= runs {
				f.Layers += n
				if step.Kind == BootstrapKind && res.Debian[s.ID] != nil {
					f.Downloads += fetcher.Missing(res.Debian[s.ID])
				}
			}
		}
	}
	return f
}

// stage is a stage in the report of the build that had it last, or nil.
func (f *Forecast) stage(h History, declaration, logs, id string) *StageReport {
	last, ok := h.read(declaration, id)
	if !ok {
		return nil
	}
	r, ok := f.past[last.BuildID]
	if !ok {
		r, _ = ReadReport(filepath.Join(logs, last.BuildID)) // it may be gone
		f.past[last.BuildID] = r
	}
	if r == nil {
		return nil
	}
	for i := range r.Stages {
		if s := &r.Stages[i]; s.ID == id && s.Status == Done {
			return s
		}
	}
	return nil
}

// compressed is what compression leaves of a system's files at least, where no
// earlier output tells.
const compressed = 0.15

// Output is what an output of the disk takes that is made from a stage: as much as
// the one of that format did in the last build, or else what the stage's files are.
func (f *Forecast) Output(format disk.Format, stage string) int64 {
	if format.Plain() {
		return f.Stages[stage]
	}
	for _, r := range f.past {
		if r == nil {
			continue
		}
		for _, o := range r.Outputs {
			if o.Format == string(format) && o.Size > 0 {
				return min(o.Size, f.Stages[stage])
			}
		}
	}
	return int64(compressed * float64(f.Stages[stage]))
}

// Claims are what the build takes of the store and of the cache.
func (f *Forecast) Claims(store, cache string) []disk.Claim {
	return []disk.Claim{
		{What: "for layers", Path: store, Bytes: f.Layers},
		{What: "for packages", Path: cache, Bytes: f.Downloads},
	}
}

// OutputClaims are what the outputs of a disk take that is made from a stage.
func (f *Forecast) OutputClaims(stage string, outs []disk.Output) []disk.Claim {
	var claims []disk.Claim
	for _, o := range outs {
		format, err := disk.FormatFor(string(o.Format), o.Path)
		st, statErr := os.Stat(o.Path)
		if err != nil || statErr == nil && !st.Mode().IsRegular() { // a device or a pipe
			continue
		}
		claims = append(claims, disk.Claim{What: "for " + o.Path, Path: o.Path, Bytes: f.Output(format, stage)})
	}
	return claims
}
