// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Engine runs plans. Its fields are set before Run and not changed afterwards.
type Engine struct {
	Cache    Cache
	Executor Executor
	Images   Images
	BuildID  string
	Jobs     int // stages at a time; less than 1 means 1
	Now      func() time.Time
	Events   func(progress.Event)
}

// Images keeps the results of stages under names.
type Images interface {
	// Done keeps a finished stage and returns the id of its image.
	Done(ctx context.Context, stage string, s State) (id string, err error)
	// Start keeps the state that a stage without a parent begins with.
	Start(ctx context.Context, stage string, s State) error
}

// StageResult is a stage that has been built.
type StageResult struct {
	State
	ID    string
	Image string // id of the image
	Ran   int    // steps that were executed
}

// Result is a plan that was run.
type Result struct {
	BuildID string
	Stages  map[string]StageResult
	Ran     int // steps that were executed, over all stages
}

// Run runs the steps of the plan that the cache does not have, independent stages at the
// same time, and keeps the image of each stage. The first failure ends the other stages
// and is the error, a plan.StepError if a step is to blame; the result then has the
// stages that are done. Executor, Cache, Images and Events are used from several
// goroutines.
func (e *Engine) Run(ctx context.Context, p *plan.Plan) (*Result, error) {
	r := &run{Engine: e, result: &Result{BuildID: e.BuildID, Stages: map[string]StageResult{}}, done: map[string]chan struct{}{}}
	for i := range p.Stages {
		if err := r.add(&p.Stages[i]); err != nil {
			return r.result, fmt.Errorf("plan: %w", err)
		}
	}
	r.slots = make(chan struct{}, max(e.Jobs, 1))
	g, ctx := errgroup.WithContext(ctx)
	for i := range p.Stages {
		g.Go(func() error { return r.job(ctx, &p.Stages[i]) })
	}
	err := g.Wait()
	return r.result, err
}

// run is a plan while it runs.
type run struct {
	*Engine
	slots chan struct{}
	done  map[string]chan struct{} // closed when the stage is

	mu     sync.Mutex
	result *Result
}

// add registers a stage for others to wait for. In a plan from elsewhere, a stage may
// need one that is not in the plan, and would wait for ever.
func (r *run) add(j *plan.Job) error {
	for _, n := range j.Needs {
		if r.done[n] == nil {
			return fmt.Errorf("stage %s needs %s, which is not before it", j.ID, n)
		}
	}
	switch {
	case r.done[j.ID] != nil:
		return fmt.Errorf("stage %s occurs twice", j.ID)
	case j.Parent != "" && !slices.Contains(j.Needs, j.Parent):
		return fmt.Errorf("stage %s does not need %s, which it is based on", j.ID, j.Parent)
	}
	r.done[j.ID] = make(chan struct{})
	return nil
}

// job waits for the stages that a stage needs and for its turn, then builds it.
func (r *run) job(ctx context.Context, j *plan.Job) error {
	for _, n := range j.Needs {
		select {
		case <-r.done[n]:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.slots }()
	res, err := r.stage(ctx, j, r.dependencies(j))
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.result.Stages[j.ID] = res
	r.result.Ran += res.Ran
	r.mu.Unlock()
	close(r.done[j.ID])
	return nil
}

// dependencies are the results of the stages that a stage needs.
func (r *run) dependencies(j *plan.Job) map[string]State {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]State{}
	for _, n := range j.Needs {
		out[n] = r.result.Stages[n].State
	}
	return out
}

// stage builds one stage, starting after the last step that the cache has.
func (r *run) stage(ctx context.Context, j *plan.Job, needed map[string]State) (StageResult, error) {
	began := r.Now()
	t := Task{BuildID: r.BuildID, Job: j, State: needed[j.Parent], Dependencies: needed}
	err := r.fromCache(ctx, &t)
	if err == nil && t.First > 0 {
		err = r.cached(ctx, &t)
	}
	if err != nil {
		return StageResult{}, fmt.Errorf("stage %s: %w", j.ID, err)
	}
	out := Outcome{State: t.State}
	if t.First < len(j.Steps) {
		r.event(progress.Event{Kind: progress.StageStarted, Stage: j.ID, Steps: len(j.Steps)})
		r.showCached(&t)
		t.Done = func(ctx context.Context, step int, s State) error { return r.keepStart(ctx, j, step, s) }
		if out, err = r.Executor.Execute(ctx, t); err != nil {
			return StageResult{}, err
		}
	} else {
		r.showCached(&t)
	}
	image, err := r.Images.Done(ctx, j.ID, out.State)
	if err != nil {
		return StageResult{}, fmt.Errorf("stage %s: %w", j.ID, err)
	}
	r.event(progress.Event{Kind: progress.StageDone, Stage: j.ID, Seconds: r.Now().Sub(began).Seconds(), Done: int64(out.Ran)})
	return StageResult{State: out.State, ID: j.ID, Image: image, Ran: out.Ran}, nil
}

// fromCache lets a task begin after the last step that the cache has.
func (r *run) fromCache(ctx context.Context, t *Task) error {
	for i := len(t.Job.Steps) - 1; i >= 0; i-- {
		s, ok, err := r.Cache.Lookup(ctx, t.Job.Steps[i].Key)
		if err != nil {
			return err
		}
		if ok {
			t.State, t.First = s, i+1
			return nil
		}
	}
	return nil
}

// cached keeps the start of a stage whose first step the cache has.
func (r *run) cached(ctx context.Context, t *Task) error {
	if t.Job.Parent != "" {
		return nil
	}
	s, ok, err := r.Cache.Lookup(ctx, t.Job.Steps[0].Key)
	if err != nil || !ok {
		return err
	}
	return r.keepStart(ctx, t.Job, 0, s)
}

// keepStart keeps the result of a stage's first step, if the stage has more steps.
func (r *run) keepStart(ctx context.Context, j *plan.Job, step int, s State) error {
	if step > 0 || j.Parent != "" || len(j.Steps) < 2 {
		return nil
	}
	return r.Images.Start(ctx, j.ID, s)
}

func (r *run) showCached(t *Task) {
	for i := range t.Job.Steps[:t.First] {
		r.event(stepEvent(progress.StepCached, t.Job, i))
	}
}

// stepEvent is an event about a step.
func stepEvent(kind progress.EventKind, j *plan.Job, i int) progress.Event {
	s := &j.Steps[i]
	return progress.Event{Kind: kind, Stage: j.ID, Step: i + 1, Steps: len(j.Steps), Key: s.Key, Text: s.Title()}
}

func (e *Engine) event(ev progress.Event) {
	if e.Events == nil {
		return
	}
	ev.Time = e.Now()
	e.Events(ev)
}
