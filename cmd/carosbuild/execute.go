// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/runc"
)

// build runs the plan and writes the disks, inside the namespaces.
func (c *buildCommand) build(ctx context.Context, j *job, view display) (err error) {
	store, err := c.openStore(ctx, j.store, j.dirs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	began := time.Now()
	rec := build.NewRecorder(j.plan, began)
	e, err := c.engine(j, store, view, rec.Tee(view.show))
	if err != nil {
		return err
	}
	if c.named {
		err = c.builds(j.store).Write(c.buildID, c.noted(j))
	} else {
		c.buildID, err = c.builds(j.store).Claim(c.buildID, c.noted(j)) // two may begin within a second
	}
	if err != nil {
		return err
	}
	e.BuildID = c.buildID
	if err := c.history(j).Write(c.historyName(), j.plan, c.buildID); err != nil { // it explains, and decides nothing
		view.show(build.Event{Time: time.Now(), Kind: build.Note, Text: err.Error()})
	}
	view.show(build.Event{Time: began, Kind: build.Begun, Text: c.buildID, Stages: len(j.plan.Stages), Steps: planSteps(j.plan)})
	var res *build.Result
	defer func() { c.writeReport(rec.Report(ctx, e, res, time.Now(), err), e, j) }()
	if res, err = c.runAndWrite(ctx, e, j); err != nil {
		return err
	}
	if err := c.noteNames(j, store, res); err != nil {
		return err
	}
	view.close()
	return c.showSummary(c.summary(j, res, began))
}

// summary is what the build came to.
func (c *buildCommand) summary(j *job, res *build.Result, began time.Time) *summary {
	s := &summary{build: res.BuildID, stage: res.BuildID, took: time.Since(began), ran: res.Ran, cached: planSteps(j.plan) - res.Ran, results: len(j.decl.Artifacts) > 0}
	info := c.noted(j)
	if info.Main() == "" {
		s.stage += ":" + j.plan.Targets[0]
	}
	targets := j.plan.Targets
	if len(c.wanted) == 0 { // otherwise all of them were asked for
		targets = resultStages(targets, disksOf(j.disks))
	}
	for _, id := range targets {
		s.targets = append(s.targets, res.BuildID+":"+id)
	}
	s.written(j.disks, c.made)
	return s
}

// resultStages are the targets that are results. Beside the stages whose trees are on
// the disks, disks have helpers, such as those with a boot loader's programs.
func resultStages(targets []string, disks []*decl.Disk) []string {
	if len(disks) == 0 {
		return targets
	}
	var out []string
	for _, id := range targets {
		if slices.ContainsFunc(disks, func(k *decl.Disk) bool {
			return k.Stage == id || slices.ContainsFunc(k.Partitions, func(p *decl.Partition) bool { return p.Stage == id })
		}) {
			out = append(out, id)
		}
	}
	return out
}

// planSteps is how many steps the stages of a plan have.
func planSteps(p *build.Plan) int {
	n := 0
	for _, s := range p.Stages {
		n += len(s.Steps)
	}
	return n
}

// noted is what is noted about the build when it begins.
func (c *buildCommand) noted(j *job) build.BuildInfo {
	info := build.BuildInfo{Owner: c.owner(), Started: time.Now(), Declaration: c.declNames()}
	var written []*decl.Disk
	if len(c.out) > 0 {
		written = disksOf(j.disks)
	}
	for _, k := range written {
		info.Disks = append(info.Disks, k.ID)
	}
	info.Note(j.decl, written, j.plan)
	return info
}

// runAndWrite runs the plan and writes the disks. A layer that turns out to be
// damaged when it is read is made again, and the disks with it; a few times, for
// with a broken memory or disk there is always one.
func (c *buildCommand) runAndWrite(ctx context.Context, e *build.Engine, j *job) (*build.Result, error) {
	const rounds = 4
	ran := 0
	for round := 1; ; round++ {
		res, err := e.Run(ctx, j.plan, j.resolved)
		writing := err == nil && len(c.out) > 0
		if writing {
			c.made, err = c.writeDisks(ctx, e, j, res)
		}
		if res != nil {
			ran = min(ran+res.Ran, planSteps(j.plan))
			res.Ran = ran
		}
		switch {
		case err == nil || ctx.Err() != nil:
			return res, err
		case round == rounds || writing && c.streams(): // what a reader has got cannot be taken back
			return res, errors.Join(err, markDamaged(e.Store, err))
		}
		healed, herr := e.Heal(err)
		if herr != nil || !healed {
			return res, errors.Join(err, herr)
		}
	}
}

// streams reports whether an output is read by somebody while it is written.
func (c *buildCommand) streams() bool {
	return slices.ContainsFunc(c.out, func(path string) bool {
		st, err := os.Stat(path)
		return path == disk.StandardOutput || err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice|os.ModeSocket) != 0
	})
}

// engine is what runs the plan.
func (c *buildCommand) engine(j *job, store *layer.Store, view display, events func(build.Event)) (*build.Engine, error) {
	scratch := filepath.Join(j.dirs.state, "scratch")
	if err := runc.MountScratch(scratch); err != nil {
		return nil, err
	}
	rt, err := runc.FindRuntime(c.runtime, filepath.Join(scratch, "runtime"))
	if err != nil {
		return nil, err
	}
	fetcher, host, err := c.fetcher(j, view)
	if err != nil {
		return nil, err
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		resolver = nil // steps do without names
	}
	return &build.Engine{
		Store: store, Records: j.records, Runtime: rt, Fetcher: fetcher, Host: host, Registry: c.registry(j.store), Git: c.gitCache(j.dirs, view),
		CacheDir: j.dirs.cache, LogDir: logsDir(j.dirs), Scratch: scratch, BuildID: c.buildID, Caller: c.caller(), Jobs: c.jobs,
		Epoch: j.epoch, Network: runc.Network(c.network), Resolver: resolver, NoCache: c.noCache, KeepFailed: !c.forget,
		OutputMode: c.outputMode, Sums: c.progress != "quiet", Level: c.level, Now: time.Now, Events: events,
	}, nil
}

// noteNames notes under which names the stages are stored, and gives the last one
// that of --success-tag.
func (c *buildCommand) noteNames(j *job, store *layer.Store, res *build.Result) error {
	for _, s := range j.plan.Stages {
		if err := c.pins(j).SetBuilt(s, res.BuildID+":"+s.ID); err != nil {
			return err
		}
	}
	if c.successTag == "" {
		return nil
	}
	return store.AddNames(res.Stages[c.successStage(j, j.plan.Targets)].Image, []string{c.successTag})
}

func (c *buildCommand) writeDisks(ctx context.Context, e *build.Engine, j *job, res *build.Result) ([]*build.DiskImage, error) {
	images, release, err := e.Disks(ctx, disksOf(j.disks), res)
	if err != nil {
		return nil, err
	}
	return images, errors.Join(e.WriteDisks(ctx, images, outputsOf(j.disks), c.stdout), release())
}

// results is where what a script wants to know goes. Where a disk went to
// standard output, that is standard error.
func (c *buildCommand) results() io.Writer {
	if slices.Contains(c.out, disk.StandardOutput) {
		return c.stderr
	}
	return c.stdout
}

// defaultBuildID is redomat's: local date and time, and the user.
func defaultBuildID(now time.Time, user string) string {
	id := cleanBuildID(now.Format("2006-01-02-150405") + "-" + user)
	if !buildIDs.MatchString(id) { // a user named _apt or so
		return now.Format("2006-01-02-150405")
	}
	return id
}
