// SPDX-License-Identifier: MPL-2.0

package history

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Recorder makes a Report of the events of a build.
type Recorder struct {
	mu     sync.Mutex
	plan   *plan.Plan
	start  time.Time
	stages map[string]*stageRecord
	acts   []Activity // those that are over, and those that go on
}

// stageRecord is what the events of a stage have told.
type stageRecord struct {
	started time.Time
	seconds float64 // of a stage that is done
	done    bool
	steps   map[int]*StepReport // by number, 1-based
	begun   map[int]time.Time
}

// NewRecorder begins a report of a plan that is about to be run.
func NewRecorder(p *plan.Plan, start time.Time) *Recorder {
	r := &Recorder{plan: p, start: start, stages: map[string]*stageRecord{}}
	for _, s := range p.Stages {
		r.stages[s.ID] = &stageRecord{steps: map[int]*StepReport{}, begun: map[int]time.Time{}}
	}
	return r
}

// Tee is the function for Engine.Events that records what goes to next.
func (r *Recorder) Tee(next func(progress.Event)) func(progress.Event) {
	return func(e progress.Event) {
		r.event(e)
		next(e)
	}
}

func (r *Recorder) event(e progress.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind == progress.Progress || e.Kind == progress.ProgressEnd {
		r.activity(e)
	}
	s := r.stages[e.Stage]
	if s == nil {
		return
	}
	if s.started.IsZero() {
		s.started = e.Time.UTC()
	}
	switch e.Kind {
	case progress.StepCached:
		s.steps[e.Step] = &StepReport{Status: Done, Cached: true, Started: e.Time.UTC()}
	case progress.StepStarted:
		s.steps[e.Step] = &StepReport{Status: Interrupted, Started: e.Time.UTC()}
		s.begun[e.Step] = e.Time
	case progress.StepDone:
		s.steps[e.Step] = &StepReport{Status: Done, Seconds: e.Seconds, Started: r.startOf(s, e)}
	case progress.StageDone:
		s.done, s.seconds = true, e.Seconds
	}
}

// startOf is when a step that is done has begun.
func (r *Recorder) startOf(s *stageRecord, done progress.Event) time.Time {
	if t, ok := s.begun[done.Step]; ok {
		return t.UTC()
	}
	return done.Time.Add(-time.Duration(done.Seconds * float64(time.Second))).UTC()
}

// mostActivities is how many of them a report has.
const mostActivities = 500

// activity notes how far a download or a disk is.
func (r *Recorder) activity(e progress.Event) {
	for i := len(r.acts) - 1; i >= 0; i-- {
		a := &r.acts[i]
		if a.Stage != e.Stage || a.Text != e.Text {
			continue
		}
		a.Seconds = e.Time.Sub(a.Started).Seconds()
		if e.Kind == progress.Progress {
			a.Done, a.Unit = e.Done, e.Unit
		}
		return
	}
	if e.Kind == progress.Progress && len(r.acts) < mostActivities {
		r.acts = append(r.acts, Activity{Stage: e.Stage, Text: e.Text, Started: e.Time.UTC(), Done: e.Done, Unit: e.Unit})
	}
}

// Chains is where layers are stored.
type Chains interface {
	// Chain is a layer and all below it, the lowest first.
	Chain(top string) ([]layer.Layer, error)
}

// Made says what a build has made, for its report.
type Made struct {
	BuildID string
	Store   Chains                                   // nil: sizes stay unknown
	Layer   func(key string) (layer string, ok bool) // top layer of what a step has left, if that is known
	Images  map[string]string                        // stage -> id of its image; may lack stages
}

// Report is the report of a build that has ended with err at a time. The caller
// fills in what only it knows: program, declarations and outputs.
func (r *Recorder) Report(ctx context.Context, m Made, end time.Time, err error) *Report {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := &Report{
		Schema: ReportSchema, BuildID: m.BuildID, Status: Done, Start: r.start.UTC(), End: end.UTC(), Targets: r.plan.Targets,
		Activities: slices.Clone(r.acts),
	}
	if err != nil {
		out.Status, out.Error = Failed, err.Error()
		if ctx.Err() != nil {
			out.Status, out.Error = Interrupted, ""
		}
	}
	sizes := sizer{store: m.Store, layer: m.Layer, layers: map[string]string{}}
	for _, sp := range r.plan.Stages {
		s := r.stage(sp, end)
		sizes.fill(&s, sp)
		s.Image = m.Images[sp.ID]
		out.Stages = append(out.Stages, s)
	}
	out.blame(err)
	return out
}

func (r *Recorder) stage(sp plan.Job, end time.Time) StageReport {
	rec := r.stages[sp.ID]
	s := StageReport{ID: sp.ID, Key: sp.Key, Status: Interrupted, Started: rec.started, Steps: []StepReport{}}
	switch {
	case rec.done:
		s.Status, s.Seconds = Done, rec.seconds
	case rec.started.IsZero():
		s.Status = NotRun
	default:
		s.Seconds = end.Sub(rec.started).Seconds()
	}
	for i, p := range sp.Steps {
		step := StepReport{Status: NotRun}
		if seen := rec.steps[i+1]; seen != nil {
			step = *seen
		}
		if step.Status == Interrupted {
			step.Seconds = end.Sub(rec.begun[i+1]).Seconds()
		}
		if !step.Cached && step.Status != NotRun {
			s.Log = LogName(sp.ID)
		}
		step.Kind, step.Text = p.Kind, p.Text
		s.Steps = append(s.Steps, step)
	}
	return s
}

// blame marks the step that err is about, and its stage.
func (out *Report) blame(err error) {
	var se *plan.StepError
	if !errors.As(err, &se) {
		return
	}
	f := &FailedStep{Stage: se.Stage, Step: se.Step, Kind: se.Kind, Text: se.Text, Status: se.Status, Tail: se.Tail, Image: se.Image, Pushed: se.Pushed}
	if se.Err != nil {
		f.Error = se.Err.Error()
	}
	out.Failed, out.Status, out.Error = f, Failed, se.Error()
	for i := range out.Stages {
		s := &out.Stages[i]
		if s.ID != se.Stage {
			continue
		}
		s.Status = Failed
		for k := range s.Steps {
			if s.Steps[k].Status == Interrupted {
				s.Steps[k].Status, f.Step = Failed, k+1
			}
		}
	}
}

// sizer finds out what each step has added, from the layers of the steps.
type sizer struct {
	store  Chains
	layer  func(key string) (string, bool)
	layers map[string]string // stage -> its top layer
}

// fill sets the sizes of a stage and its steps. What cannot be found out
// stays 0: a report is not worth an error.
func (z *sizer) fill(s *StageReport, sp plan.Job) {
	if z.store == nil {
		return
	}
	top := z.layers[sp.Parent]
	below := z.chain(top)
	s.Size = sizeOf(below)
	for i, p := range sp.Steps {
		if s.Steps[i].Status != Done {
			continue
		}
		left, ok := z.layer(p.Key)
		if !ok || left == top {
			continue
		}
		chain := z.chain(left)
		step, size := &s.Steps[i], sizeOf(chain)
		step.Size = max(size-s.Size, 0)
		for _, l := range chain[min(len(below), len(chain)):] {
			step.Layers = append(step.Layers, l.DiffID.String())
		}
		top, below, s.Size = left, chain, size
	}
	z.layers[sp.ID] = top
}

// chain is a layer and all below it; none where that is not known.
func (z *sizer) chain(top string) []layer.Layer {
	if top == "" {
		return nil
	}
	chain, err := z.store.Chain(top)
	if err != nil {
		return nil
	}
	return chain
}

// sizeOf is the size of layers, in bytes of uncompressed tar.
func sizeOf(chain []layer.Layer) int64 {
	var sum int64
	for _, l := range chain {
		sum += max(l.Size, 0)
	}
	return sum
}
