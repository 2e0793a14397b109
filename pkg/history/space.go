// SPDX-License-Identifier: MPL-2.0

package history

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/plan"
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

// Predict estimates from below: steps take what the same ones took in the last
// build of this declaration, added files half of it, bootstraps what their
// packages say, and other steps nothing.
// Logs is the directory of builds' reports.
func (h History) Predict(declaration string, p *plan.Plan, fetcher *debian.Fetcher, logs string) *Forecast {
	f := &Forecast{Stages: map[string]int64{}, past: map[string]*Report{}}
	for i := range p.Stages {
		s := &p.Stages[i]
		past := f.stage(h, declaration, logs, s.ID)
		f.Stages[s.ID] = f.Stages[s.Parent]
		runs := len(s.Steps) // the first that is going to run
		for runs > 0 && !s.Steps[runs-1].Cached {
			runs--
		}
		for j, step := range s.Steps {
			var n int64
			switch {
			case past != nil && j < len(past.Steps) && past.Steps[j].Kind == step.Kind && past.Steps[j].Text == step.Text:
				n = past.Steps[j].Size
				if step.Kind != plan.BootstrapKind && step.Kind != string(decl.RunKind) {
					n /= 2
				}
			case packages(&step) != nil:
				n = packages(&step).InstalledSize()
			}
			f.Stages[s.ID] += n
			if j >= runs {
				f.Layers += n
				if want := packages(&step); want != nil {
					f.Downloads += fetcher.Missing(want)
				}
			}
		}
	}
	return f
}

// packages are those of a bootstrap, nil for another step.
func packages(s *plan.Step) *debian.Resolution {
	if b, ok := s.Action.(*plan.Bootstrap); ok {
		return b.Packages
	}
	return nil
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

// What of a stage's files gets to a disk at least, as they are and compressed.
// Later layers replace files of earlier ones, and a squashfs is compressed itself.
const (
	plainShare      = 0.3
	compressedShare = 0.1
)

// Output is what an output of a disk takes: most of what the one of that format
// did in the last build, or else a part of what the stage's files are.
func (f *Forecast) Output(format disk.Format, k *decl.Disk) int64 {
	stage := f.Stages[k.Stage]
	if format.Plain() {
		return int64(plainShare * float64(stage))
	}
	for _, r := range f.past {
		if r == nil {
			continue
		}
		for _, o := range r.Outputs {
			if cmp.Or(o.Disk, r.Disk) == k.ID && o.Format == string(format) && o.Size > 0 {
				return min(o.Size/10*8, stage)
			}
		}
	}
	return int64(compressedShare * float64(stage))
}

// Claims are what the build takes of the store and of the cache.
func (f *Forecast) Claims(store, cache string) []disk.Claim {
	return []disk.Claim{
		{What: "for layers", Path: store, Bytes: f.Layers},
		{What: "for packages", Path: cache, Bytes: f.Downloads},
	}
}

// OutputClaims are what the outputs of a disk take.
func (f *Forecast) OutputClaims(k *decl.Disk, outs []disk.Output) []disk.Claim {
	var claims []disk.Claim
	for _, o := range outs {
		format, err := disk.FormatFor(string(o.Format), o.Path)
		st, statErr := os.Stat(o.Path)
		if err != nil || o.Path == disk.StandardOutput || statErr == nil && !st.Mode().IsRegular() { // a device or a pipe
			continue
		}
		claims = append(claims, disk.Claim{What: "for " + o.Path, Path: o.Path, Bytes: f.Output(format, k)})
	}
	return claims
}
