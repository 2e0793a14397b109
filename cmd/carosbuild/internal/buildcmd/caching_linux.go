// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/remotecache"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/words"
)

// openShared is the cache that other machines share with a store, nil without one.
func (c *buildCommand) openShared(ctx context.Context, j *buildJob, store *layer.Store, view render.Display, note func(string)) error {
	s, err := c.shareCache(ctx, j, note)
	if s == nil || err != nil {
		return err
	}
	s.Stored = func(top string) ([]oci.StoredLayer, error) { return store.StoredLayers(top) }
	s.Pull = func(ctx context.Context, f remotecache.Found) (string, error) {
		src := f.Source
		src.Events = c.Transfers(view)
		p, err := store.Pull(ctx, foundSource(src), "the result of stage "+s.Steps[f.Key].Stage, "")
		return p.Layer, err
	}
	s.Past = func(stage string) (string, []byte, error) {
		return history.Past(c.historyName(), j.plan.Job(stage), j.buildID)
	}
	if j.shared = s; c.noCache {
		return nil
	}
	return s.Ask(ctx, j.plan)
}

// foundSource is a layer.Finder of what was found.
type foundSource oci.Source

// Find implements layer.Finder.
func (s foundSource) Find(context.Context, string, string) (oci.Source, error) {
	return oci.Source(s), nil
}

// share has an engine use the cache that is shared, if there is one.
func (c *buildCommand) share(j *buildJob, e *engine.Engine, l *engine.Local) {
	e.Cache = j.cache
	if j.shared != nil {
		e.Cache = j.shared
	}
	if c.noCache {
		e.Cache = engine.Fresh(e.Cache)
	}
	l.Cache = e.Cache
	if c.only {
		e.Executor = refusal{}
	}
	if j.shared == nil {
		return
	}
	l.Cache, l.Chains = j.shared.Here(e.Cache), j.shared.Chains(l.Chains)
	e.Images = j.shared.Images(e.Images, func(stage string) string { return j.plan.Job(stage).Key }, j.keeps)
}

// keeps reports whether a stage's image is to be in the store, even if no step needs it.
func (j *buildJob) keeps(stage string) bool {
	if len(j.disks) == 0 && slices.Contains(j.plan.Targets, stage) || stage == j.tagged || slices.Contains(j.pushed, stage) {
		return true
	}
	of := func(a history.Artifact) bool { return a.Stage == stage }
	return slices.ContainsFunc(j.report.Artifacts, of) || slices.ContainsFunc(j.report.Feeds, of)
}

// refusal is an engine.Executor where no step may run.
type refusal struct{}

// Execute implements engine.Executor.
func (refusal) Execute(_ context.Context, t engine.Task) (engine.Outcome, error) {
	return engine.Outcome{}, fmt.Errorf("--require-cached: stage %s would run from step %d/%d on: its result is not cached any more", t.Job.ID, t.First+1, len(t.Job.Steps))
}

// untilFound repeats work for which a result was found that could not be fetched: then
// its step runs. The result counts the steps of all rounds.
func (j *buildJob) untilFound(ctx context.Context, work func(context.Context) (*engine.Result, error)) (*engine.Result, error) {
	ran := 0
	for {
		res, err := work(ctx)
		if res != nil {
			ran = min(ran+res.Ran, j.plan.Steps())
			res.Ran = ran
		}
		if lost := (*remotecache.LostError)(nil); j.shared == nil || ctx.Err() != nil || !errors.As(err, &lost) {
			return res, err
		}
	}
}

// writing does work during which results are written to places, and says what came of it.
func (j *buildJob) writing(ctx context.Context, events func(progress.Event), work func(context.Context) error) error {
	if j.shared == nil {
		return work(ctx)
	}
	note := func(text string) {
		events(progress.Event{Time: time.Now(), Kind: progress.Note, Text: text, Good: true})
	}
	err := j.shared.Run(ctx, func(n int) { note("cache: waiting for the upload of " + words.Count(n, "result")) }, work)
	note(fmt.Sprintf("cache: %s found, %d written", words.Count(j.shared.Used(), "result"), j.shared.Written()))
	return err
}

// rootOf is the root file system of a stage: in the store, or what was found elsewhere.
func (j *buildJob) rootOf(ctx context.Context, store *layer.Store, stage string, s engine.State) (compose.RootFS, error) {
	top, err := s.Here()
	if err != nil { // a step may have needed it since
		here, ok, lerr := j.cache.Lookup(ctx, j.plan.Job(stage).Key)
		if lerr != nil {
			return nil, lerr
		}
		if top = here.Layer; !ok || !slices.Equal(here.Layers, s.Layers) {
			return compose.ImageRoot{Registry: foundTars{j.shared, s}, Ref: "the cached result of stage " + stage, Cache: j.dirs.Layers()}, nil
		}
	}
	if j.root != nil {
		return j.root(top), nil
	}
	return compose.StoredRoot{Store: store, Layer: top}, nil
}

// foundTars is a compose.TarOpener of a state.
type foundTars struct {
	of    *remotecache.Cache
	state engine.State
}

// OpenTars implements compose.TarOpener.
func (t foundTars) OpenTars(ctx context.Context, _, _ string, cache oci.TarCache) (*oci.Tars, error) {
	return t.of.OpenTars(ctx, t.state, cache)
}

// notStored reports whether one of the targets is not in the store.
func (j *buildJob) notStored(res *engine.Result) bool {
	return slices.ContainsFunc(j.plan.Targets, func(id string) bool { return res.Stages[id].Image == "" })
}
