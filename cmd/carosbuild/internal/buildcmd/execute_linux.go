// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/stepflags"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// build runs the plan and writes the disks, inside the namespaces.
func (c *buildCommand) build(ctx context.Context, j *buildJob, view render.Display) (err error) {
	defer func() { err = localstore.Full(j.store, j.dirs, err) }()
	store, err := localstore.Open(ctx, c.App, j.store, j.dirs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	began := time.Now()
	if err := c.claim(j); err != nil {
		return err
	}
	if len(c.push) > 0 {
		j.pushed = c.resultStages(j)
	}
	release, err := history.Hold(filepath.Join(j.dirs.Logs(), j.buildID))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	kept := localstore.KeepEvents(filepath.Join(j.dirs.Logs(), j.buildID), view, began)
	defer func() { kept.End(ctx, c.App, j.store, j.dirs, err) }()
	rec := history.NewRecorder(j.plan, began)
	events := c.expectation(j).Tee(rec.Tee(kept.Show))
	shown := teed{view, events}
	if err := c.openShared(ctx, j, store, shown, func(text string) {
		events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text})
	}); err != nil {
		return err
	}
	e, done, err := c.engine(ctx, j, store, shown, events)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := c.remember(j); err != nil { // it explains, and decides nothing
		events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: err.Error()})
	}
	if err := j.seed(ctx, store, events); err != nil {
		return err
	}
	events(progress.Event{Time: began, Kind: progress.Begun, Text: j.buildID, Stages: len(j.plan.Stages), Steps: j.plan.Steps()})
	var res *engine.Result
	defer func() { c.keepReport(rec.Report(ctx, madeBy(ctx, store, j, res), time.Now(), err), j) }()
	err = j.writing(ctx, events, func(ctx context.Context) (err error) {
		res, err = c.runAndWrite(ctx, e, j, store)
		return err
	})
	err = errors.Join(err, j.forgetFailures(store, res))
	if err != nil {
		return c.afterFailure(ctx, e, j, store, view, err)
	}
	if err := c.noteNames(j, store, res); err != nil {
		return err
	}
	if err := c.pushResults(ctx, j, store, view, res); err != nil {
		return err
	}
	view.Close()
	s := c.summary(j, res, began)
	kept.Summary(diskcmd.SummaryEvents(s))
	return diskcmd.ShowSummary(c.App, s, c.Results(c.App))
}

// remember writes down what is built, for a shell in a stage, for a build that goes on
// with this one, and for why.
func (c *buildCommand) remember(j *buildJob) error {
	logs := filepath.Join(j.dirs.Logs(), j.buildID)
	j.command.Started = j.info.Started
	err := errors.Join(history.WritePlan(logs, j.plan), history.WriteCommand(logs, j.command))
	if len(j.skipped) == 0 { // otherwise the keys are no other build's
		err = errors.Join(err, j.dirs.History().Write(c.historyName(), j.plan, j.buildID))
	}
	return err
}

// claim notes the build, and finds it an id that no other has.
func (c *buildCommand) claim(j *buildJob) (err error) {
	j.info.Started = time.Now()
	if c.buildID != "" {
		return localstore.Builds(j.store).Write(j.buildID, j.info)
	}
	j.buildID, err = localstore.Builds(j.store).Claim(j.buildID, j.info) // two may begin within a second
	return err
}

// summary is what the build came to.
func (c *buildCommand) summary(j *buildJob, res *engine.Result, began time.Time) *render.Summary {
	s := &render.Summary{Build: res.BuildID, Stage: res.BuildID, Took: time.Since(began), Ran: res.Ran, Cached: j.plan.Steps() - res.Ran, Results: len(j.report.Artifacts) > 0}
	if j.info.Main() == "" {
		s.Stage += ":" + j.plan.Targets[0]
	}
	if j.notStored(res) {
		s.Stage = ""
	}
	for _, id := range c.resultStages(j) {
		if res.Stages[id].Image == "" { // it is where the caches are
			continue
		}
		s.Targets = append(s.Targets, res.BuildID+":"+id)
	}
	diskcmd.AddWritten(s, j.disks, j.made)
	return s
}

// runAndWrite runs the plan and writes the disks.
func (c *buildCommand) runAndWrite(ctx context.Context, e *engine.Engine, j *buildJob, store *layer.Store) (*engine.Result, error) {
	w := engine.Work{Steps: j.plan.Steps(), Run: func(ctx context.Context) (*engine.Result, error) { return e.Run(ctx, j.plan) }}
	if len(c.Out) > 0 {
		w.Once, w.Write = c.Streams(), func(ctx context.Context, res *engine.Result) (err error) {
			j.made, err = c.writeDisks(ctx, e, j, store, res)
			return err
		}
	}
	heal := &engine.Healer{Store: store, Note: func(text string) { e.Events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text}) }}
	return j.untilFound(ctx, func(ctx context.Context) (*engine.Result, error) { return heal.Do(ctx, w) })
}

// engine is what runs the plan. It is to be closed.
func (c *buildCommand) engine(ctx context.Context, j *buildJob, store *layer.Store, view render.Display, events func(progress.Event)) (*engine.Engine, func() error, error) {
	limits, output, err := c.limits.Read()
	if err != nil {
		return nil, nil, err
	}
	of := steps{network: sandbox.Network(c.network), limits: limits, jobs: min(c.jobs, len(j.plan.Stages))}
	l, done, err := local(ctx, c.App, j, store, of, view, events)
	if err != nil {
		return nil, nil, err
	}
	if l.Certificates, err = c.certificates.Read(c.Getenv); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	l.Output = output
	images := engine.StoredImages{Names: history.Keeper{Store: store, BuildID: j.buildID, Plan: j.plan}}
	if !c.forget {
		l.Failed = images.Failed
	}
	e := &engine.Engine{Executor: l, Images: images, BuildID: j.buildID, Jobs: c.jobs, Now: time.Now, Events: events}
	c.share(j, e, l)
	return e, done, nil
}

// steps say how steps are run.
type steps struct {
	network sandbox.Network
	limits  sandbox.Limits
	jobs    int // at a time
}

// local runs steps on this machine. It is to be closed.
func local(ctx context.Context, a *cli.App, j *buildJob, store *layer.Store, of steps, view render.Display, events func(progress.Event)) (*engine.Local, func() error, error) {
	note := func(text string) { events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text}) }
	room, line, err := a.OpenRoom(ctx, j.dirs, j.dirs.State, store, cli.RoomOptions{Jobs: of.jobs, StepMemory: of.limits.Memory, Offline: a.Offline, Note: note})
	if err != nil {
		return nil, nil, err
	}
	for _, text := range []string{line, a.Copies} {
		if text != "" {
			note(text)
		}
	}
	l, closeNetwork, err := localIn(ctx, a, room, j, store, of.network, view, note)
	if err != nil {
		return nil, nil, errors.Join(err, room.Close())
	}
	l.Events, l.Limits = events, of.limits
	return l, func() error { return errors.Join(closeNetwork(), room.Close()) }, nil
}

// localIn runs steps in a room.
func localIn(ctx context.Context, a *cli.App, room *rung.Room, j *buildJob, store *layer.Store, network sandbox.Network, view render.Display, note func(string)) (*engine.Local, func() error, error) {
	fetcher, host, err := fetcher(a, j.dirs, view)
	if err != nil {
		return nil, nil, err
	}
	if j.recorded != "" {
		if host, err = host.Record(j.recorded, bootstraps(j.plan)); err != nil {
			return nil, nil, err
		}
	}
	resolver, err := os.ReadFile("/etc/resolv.conf")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		note("steps cannot resolve host names: " + err.Error())
	}
	holder := "build " + j.buildID
	if n := a.Caller(); n > 0 {
		holder += fmt.Sprintf(" (process %d)", n)
	}
	if room.Resolver != nil {
		resolver = room.Resolver
	}
	if a.Offline {
		network = sandbox.NoNetwork
	}
	to, err := stepflags.OpenNetwork(ctx, a, room, host, network, resolver, note)
	if err != nil {
		return nil, nil, err
	}
	snapshots := engine.Snapshotter(engine.Layers{Store: store})
	if room.Stored != nil {
		stored := room.Stored(store)
		snapshots, j.root = stored, func(layer string) compose.RootFS { return diskcmd.StoredTree{Of: stored, Layer: layer} }
	}
	l := &engine.Local{
		Snapshots: snapshots, Chains: engine.Layers{Store: store}, Sandbox: room.Sandbox, Images: puller(a, j, store), Packages: fetcher, Host: host, Relay: to.Relay, Reach: room.Reach,
		Git: a.GitCache(j.dirs, view), Added: j.dirs.Added(), Holder: holder, CacheDir: j.dirs.Cache, Scratch: room.Scratch,
		LogPath:  func(stage string) string { return filepath.Join(j.dirs.Logs(), j.buildID, history.LogName(stage)) },
		Resolver: resolver, Network: to.Auto, Offline: a.Offline, Proxies: to.Proxies, Now: time.Now, CacheOwners: store.Owners(), CacheSuffix: a.Rung(ctx).Store.Suffix,
	}
	return l, to.Close, nil
}

func puller(a *cli.App, j *buildJob, store *layer.Store) engine.ImagePuller {
	return engine.ImagePuller{Store: store, From: func(events func(oci.Event)) layer.Finder {
		r := a.Registry(j.store)
		r.Events = events
		return r
	}}
}

// madeBy says what a build has made, for the report.
func madeBy(ctx context.Context, store *layer.Store, j *buildJob, res *engine.Result) history.Made {
	ctx = context.WithoutCancel(ctx) // of a build that was interrupted, too
	m := history.Made{BuildID: j.buildID, Store: store, Images: map[string]string{}, Layer: func(key string) (string, bool) {
		s, ok, err := j.cache.Lookup(ctx, key)
		return s.Layer, ok && err == nil
	}}
	if res != nil {
		for id, s := range res.Stages {
			m.Images[id] = s.Image
		}
	}
	return m
}

// noteNames notes under which names the stages are stored, and gives the last one
// that of --success-tag.
func (c *buildCommand) noteNames(j *buildJob, store *layer.Store, res *engine.Result) error {
	if err := j.dirs.Built().Note(j.plan, res.BuildID); err != nil || j.tagged == "" {
		return err
	}
	return store.AddNames(res.Stages[j.tagged].Image, []string{c.successTag})
}

func (c *buildCommand) writeDisks(ctx context.Context, e *engine.Engine, j *buildJob, store *layer.Store, res *engine.Result) ([]*compose.DiskImage, error) {
	comp := diskcmd.Composer(c.App, j.dirs, j.epoch, e.Events)
	comp.Jobs, comp.Level = c.jobs, c.Level
	roots := map[string]compose.RootFS{}
	for id, s := range res.Stages {
		var err error
		if roots[id], err = j.rootOf(ctx, store, id, s.State); err != nil {
			return nil, err
		}
	}
	return diskcmd.WriteDisks(ctx, comp, j.disks, roots, c.Stdout)
}

// bootstraps are those that the stages of a plan are based on.
func bootstraps(p *plan.Plan) []debian.Bootstrap {
	var all []debian.Bootstrap
	for i := range p.Stages {
		if a := p.Stages[i].Apt; a != nil {
			all = append(all, a.Bootstrap)
		}
	}
	return all
}
