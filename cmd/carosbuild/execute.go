// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/sandbox"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/rung"
)

// build runs the plan and writes the disks, inside the namespaces.
func (c *buildCommand) build(ctx context.Context, j *job, view display) (err error) {
	store, err := c.openStore(ctx, j.store, j.dirs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	began := time.Now()
	if err := c.claim(j); err != nil {
		return err
	}
	rec := history.NewRecorder(j.plan, began)
	e, done, err := c.engine(ctx, j, store, view, rec.Tee(view.show))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := history.WritePlan(filepath.Join(logsDir(j.dirs), j.buildID), j.plan); err != nil { // for a shell in a stage
		view.show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: err.Error()})
	}
	if err := j.dirs.history().Write(c.historyName(), j.plan, j.buildID); err != nil { // it explains, and decides nothing
		view.show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: err.Error()})
	}
	view.show(progress.Event{Time: began, Kind: progress.Begun, Text: j.buildID, Stages: len(j.plan.Stages), Steps: j.plan.Steps()})
	var res *engine.Result
	defer func() { c.writeReport(rec.Report(ctx, madeBy(store, j, res), time.Now(), err), j) }()
	if res, err = c.runAndWrite(ctx, e, j, store); err != nil {
		return err
	}
	if err := c.noteNames(j, store, res); err != nil {
		return err
	}
	view.close()
	return c.showSummary(c.summary(j, res, began), c.results(c.app))
}

// claim notes the build, and finds it an id that no other has.
func (c *buildCommand) claim(j *job) (err error) {
	j.info.Started = time.Now()
	if c.buildID != "" {
		return c.builds(j.store).Write(j.buildID, j.info)
	}
	j.buildID, err = c.builds(j.store).Claim(j.buildID, j.info) // two may begin within a second
	return err
}

// summary is what the build came to.
func (c *buildCommand) summary(j *job, res *engine.Result, began time.Time) *summary {
	s := &summary{build: res.BuildID, stage: res.BuildID, took: time.Since(began), ran: res.Ran, cached: j.plan.Steps() - res.Ran, results: len(j.report.Artifacts) > 0}
	if j.info.Main() == "" {
		s.stage += ":" + j.plan.Targets[0]
	}
	targets := j.plan.Targets
	if len(c.wanted) == 0 { // otherwise all of them were asked for
		targets = resultStages(targets, disksOf(j.disks))
	}
	for _, id := range targets {
		s.targets = append(s.targets, res.BuildID+":"+id)
	}
	s.written(j.disks, j.made)
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

// know fills in what the job knows before the build.
func (c *buildCommand) know(j *job) {
	var written []*decl.Disk
	if len(c.out) > 0 {
		written = disksOf(j.disks)
	}
	j.info = history.BuildInfo{Owner: c.owner(), Declaration: c.declNames()}
	for _, k := range written {
		j.info.Disks = append(j.info.Disks, k.ID)
	}
	j.info.Note(j.decl, written, j.plan)
	j.report = c.knownReport(j)
	if c.successTag != "" {
		j.tagged = successStage(j.disks, j.plan.Targets)
	}
}

// runAndWrite runs the plan and writes the disks.
func (c *buildCommand) runAndWrite(ctx context.Context, e *engine.Engine, j *job, store *layer.Store) (*engine.Result, error) {
	w := engine.Work{Steps: j.plan.Steps(), Run: func(ctx context.Context) (*engine.Result, error) { return e.Run(ctx, j.plan) }}
	if len(c.out) > 0 {
		w.Once, w.Write = c.streams(), func(ctx context.Context, res *engine.Result) (err error) {
			j.made, err = c.writeDisks(ctx, e, j, store, res)
			return err
		}
	}
	heal := &engine.Healer{Store: store, Note: func(text string) { e.Events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text}) }}
	return heal.Do(ctx, w)
}

// streams reports whether an output is read by somebody while it is written.
func (o *diskFlags) streams() bool {
	return slices.ContainsFunc(o.out, func(path string) bool {
		st, err := os.Stat(path)
		return path == disk.StandardOutput || err == nil && st.Mode()&(os.ModeNamedPipe|os.ModeCharDevice|os.ModeSocket) != 0
	})
}

// engine is what runs the plan. It is to be closed.
func (c *buildCommand) engine(ctx context.Context, j *job, store *layer.Store, view display, events func(progress.Event)) (*engine.Engine, func() error, error) {
	l, done, err := c.local(ctx, j, store, sandbox.Network(c.network), view, events)
	if err != nil {
		return nil, nil, err
	}
	l.Cache = engine.Records{Of: j.records, Now: time.Now}
	if c.noCache {
		l.Cache = engine.Anew(l.Cache)
	}
	keeper := history.Keeper{Store: store, BuildID: j.buildID, Plan: j.plan}
	if !c.forget {
		l.Failed = func(ctx context.Context, stage string, s engine.State) (string, error) {
			return keeper.Failed(ctx, stage, s.Layer, s.Config)
		}
	}
	return &engine.Engine{Cache: l.Cache, Executor: l, Images: keeper, BuildID: j.buildID, Jobs: c.jobs, Now: time.Now, Events: events}, done, nil
}

// local runs steps on this machine. It is to be closed.
func (a *app) local(ctx context.Context, j *job, store *layer.Store, network sandbox.Network, view display, events func(progress.Event)) (*engine.Local, func() error, error) {
	room, line, err := a.openRoom(ctx, j.dirs.state)
	if err != nil {
		return nil, nil, err
	}
	note := func(text string) { events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text}) }
	for _, text := range []string{line, a.copies} {
		if text != "" {
			note(text)
		}
	}
	l, closeRelay, err := a.localIn(ctx, room, j, store, network, view, note)
	if err != nil {
		return nil, nil, errors.Join(err, room.Close())
	}
	l.Events = events
	return l, func() error { return errors.Join(closeRelay(), room.Close()) }, nil
}

// localIn runs steps in a room.
func (a *app) localIn(ctx context.Context, room *rung.Room, j *job, store *layer.Store, network sandbox.Network, view display, note func(string)) (*engine.Local, func() error, error) {
	fetcher, host, err := a.fetcher(j.dirs, view)
	if err != nil {
		return nil, nil, err
	}
	relay, err := engine.StartRelay(ctx, host, network, note)
	if err != nil {
		return nil, nil, err
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		note("steps cannot look names up: " + err.Error())
	}
	holder := "build " + j.buildID
	if n := a.caller(); n > 0 {
		holder += fmt.Sprintf(" (process %d)", n)
	}
	return &engine.Local{
		Snapshots: engine.Layers{Store: store}, Sandbox: room.Sandbox, Images: a.puller(j, store), Packages: fetcher, Host: host, Relay: relay,
		Git: a.gitCache(j.dirs, view), BuildID: j.buildID, Holder: holder, CacheDir: j.dirs.cache, Scratch: room.Scratch,
		LogPath:  func(stage string) string { return filepath.Join(logsDir(j.dirs), j.buildID, history.LogName(stage)) },
		Resolver: resolver, Now: time.Now,
	}, relay.Close, nil
}

func (a *app) puller(j *job, store *layer.Store) engine.ImagePuller {
	return engine.ImagePuller{Store: store, From: func(events func(oci.Event)) layer.Finder {
		r := a.registry(j.store)
		r.Events = events
		return r
	}}
}

// composer is what makes the disks.
func (a *app) composer(d dirs, epoch *int64, events func(progress.Event)) *compose.Composer {
	return &compose.Composer{
		CacheDir: d.cache, Epoch: epoch, OutputMode: a.outputMode, Sums: a.progress != "quiet",
		Now: time.Now, Events: events,
	}
}

// madeBy says what a build has made, for the report.
func madeBy(store *layer.Store, j *job, res *engine.Result) history.Made {
	m := history.Made{BuildID: j.buildID, Store: store, Records: j.records, Images: map[string]string{}}
	if res != nil {
		for id, s := range res.Stages {
			m.Images[id] = s.Image
		}
	}
	return m
}

// noteNames notes under which names the stages are stored, and gives the last one
// that of --success-tag.
func (c *buildCommand) noteNames(j *job, store *layer.Store, res *engine.Result) error {
	if err := j.dirs.built().Note(j.plan, res.BuildID); err != nil || j.tagged == "" {
		return err
	}
	return store.AddNames(res.Stages[j.tagged].Image, []string{c.successTag})
}

func (c *buildCommand) writeDisks(ctx context.Context, e *engine.Engine, j *job, store *layer.Store, res *engine.Result) ([]*compose.DiskImage, error) {
	comp := c.composer(j.dirs, j.epoch, e.Events)
	comp.Jobs, comp.Level = c.jobs, c.level
	roots := map[string]compose.RootFS{}
	for id, s := range res.Stages {
		roots[id] = compose.StoredRoot{Store: store, Layer: s.Layer}
	}
	return writeDisks(ctx, comp, j.disks, roots, c.stdout)
}

// writeDisks makes the disks and writes them.
func writeDisks(ctx context.Context, comp *compose.Composer, disks []diskOutputs, roots map[string]compose.RootFS, stdout io.Writer) ([]*compose.DiskImage, error) {
	images, release, err := comp.Compose(ctx, disksOf(disks), roots)
	if err != nil {
		return nil, err
	}
	return images, errors.Join(comp.Write(ctx, images, outputsOf(disks), stdout), release())
}

// results is where what a script wants to know goes. Where a disk went to
// standard output, that is standard error.
func (o *diskFlags) results(a *app) io.Writer {
	if slices.Contains(o.out, disk.StandardOutput) {
		return a.stderr
	}
	return a.stdout
}

// defaultBuildID is redomat's: local date and time, and the user.
func defaultBuildID(now time.Time, user string) string {
	id := cleanBuildID(now.Format("2006-01-02-150405") + "-" + user)
	if !buildIDs.MatchString(id) { // a user named _apt or so
		return now.Format("2006-01-02-150405")
	}
	return id
}
