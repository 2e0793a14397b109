// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"path/filepath"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/progress"
)

// knownReport is what is known of a report before the build.
func knownReport(a *cli.App, j *buildJob) history.Report {
	k := history.Known{Program: a.Version, Sources: a.Inputs(), Decl: j.decl, Trees: j.resolved.Trees}
	for _, p := range j.disks {
		k.Disks = append(k.Disks, p.Disk.ID)
	}
	r := k.Report()
	r.Downloads = a.Downloads.List() // up to now: the program inside the namespaces goes on
	return r
}

// writeReport keeps what a build did beside its logs. A build is not less done
// because that cannot be kept: then there is only a word about it.
func writeReport(a *cli.App, r *history.Report, j *buildJob) {
	r.Fill(j.report)
	for _, s := range j.skipped {
		r.Skip(s.Stage, s.Step)
	}
	r.Downloads = a.Downloads.List()
	if r.Status == history.Done {
		r.Outputs = writtenOutputs(j.disks, j.made)
	}
	if err := history.WriteReport(filepath.Join(j.dirs.Logs(), r.BuildID), r); err != nil {
		err = localstore.Full(j.store, j.dirs, err)
		a.Say(err)
		render.Remedies(a.Stderr, err)
	}
}

// writtenOutputs are the files of --out as they are now. A format that is not
// written front to back, but for OVA, has no digest yet: that would take a second
// pass, which is made when the digest is first asked for.
func writtenOutputs(disks []diskcmd.DiskOutputs, made []*compose.DiskImage) []history.Output {
	var outs []history.Output
	for i, p := range disks {
		for _, o := range p.Outs {
			for _, f := range history.OutputsOf(p.Disk.ID, o) {
				if i < len(made) {
					f.SHA256 = made[i].Sums[f.Path]
				}
				outs = append(outs, f)
			}
		}
	}
	return outs
}

// teed is a display of which others see the events, too.
type teed struct {
	render.Display
	show func(progress.Event)
}

// Show implements render.Display.
func (t teed) Show(e progress.Event) { t.show(e) }

// expectation expects when the build ends.
func (c *buildCommand) expectation(j *buildJob) *history.Estimator {
	return history.NewEstimator(j.plan, j.dirs.History().Times(c.historyName()), c.jobs, c.noCache, len(c.Out) > 0)
}

// keepReport keeps what the build did, and how long its steps took.
func (c *buildCommand) keepReport(r *history.Report, j *buildJob) {
	writeReport(c.App, r, j)
	if err := j.dirs.History().WriteTimes(c.historyName(), r); err != nil { // the next build expects less
		c.Say(err)
	}
}
