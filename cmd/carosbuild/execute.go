// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"errors"
	"fmt"
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
	rec := build.NewRecorder(j.plan, time.Now())
	e, err := c.engine(j, store, view, rec.Tee(view.show))
	if err != nil {
		return err
	}
	if err := c.builds(j.store).Write(c.buildID, c.noted(j)); err != nil {
		return err
	}
	if err := c.history(j).Write(c.historyName(), j.plan, c.buildID); err != nil { // it explains, and decides nothing
		view.show(build.Event{Time: time.Now(), Kind: build.Note, Text: err.Error()})
	}
	var res *build.Result
	defer func() { c.writeReport(rec.Report(ctx, e, res, time.Now(), err), e, j) }()
	if res, err = e.Run(ctx, j.plan, j.resolved); err != nil {
		return err
	}
	if len(c.out) > 0 {
		if err := c.writeDisks(ctx, e, j, res); err != nil {
			return err
		}
	}
	if err := c.noteNames(j, store, res); err != nil {
		return err
	}
	view.close()
	c.printResult(j, res)
	return nil
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
		CacheDir: j.dirs.cache, LogDir: filepath.Join(j.dirs.state, "logs"), Scratch: scratch, BuildID: c.buildID, Jobs: c.jobs,
		Epoch: j.epoch, Network: runc.Network(c.network), Resolver: resolver, NoCache: c.noCache, KeepFailed: !c.forget,
		OutputMode: c.outputMode, Level: c.level, Now: time.Now, Events: events,
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

func (c *buildCommand) writeDisks(ctx context.Context, e *build.Engine, j *job, res *build.Result) error {
	images, release, err := e.Disks(ctx, disksOf(j.disks), res)
	if err != nil {
		return err
	}
	return errors.Join(e.WriteDisks(ctx, images, outputsOf(j.disks), c.stdout), release())
}

// printResult says what came out, on stdout: what a script wants to know. Where
// the disk went there, it goes to stderr.
func (c *buildCommand) printResult(j *job, res *build.Result) {
	for _, id := range j.plan.Targets {
		fmt.Fprintf(c.results(), "%s:%s\n", res.BuildID, id)
	}
	c.printOutputs(j.disks)
}

func (c *buildCommand) printOutputs(disks []diskOutputs) {
	for _, p := range disks {
		for _, out := range p.outs {
			fmt.Fprintln(c.results(), out.Path)
		}
	}
}

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
