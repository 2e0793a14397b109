// SPDX-License-Identifier: MPL-2.0

package history

import (
	"math"
	"slices"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Estimator expects when a build ends, from its events and from how long its steps took
// before.
type Estimator struct {
	mu     sync.Mutex
	stages []expectedStage // in the order of the plan
	index  map[string]int  // of stages
	jobs   int
	disks  float64 // seconds of what comes after the stages
	vague  bool    // how long that takes is not known

	took, expected float64 // seconds, of the steps that are done and were known

	looked time.Time // when it was last worked out
	said   progress.Event
}

// expectedStage is a stage of which something may be left.
type expectedStage struct {
	needs   []int
	steps   []expectedStep
	running bool
	done    bool
}

type expectedStep struct {
	seconds float64
	known   bool
	over    bool
	begun   time.Time // of one that runs
}

// NewEstimator expects the build of a plan, jobs stages at a time. With again, steps run
// that the plan has marked as cached; with disks, disks are written.
func NewEstimator(p *plan.Plan, t *Times, jobs int, again, disks bool) *Estimator {
	e := &Estimator{index: map[string]int{}, jobs: max(jobs, 1)}
	if disks {
		e.disks = t.disks()
		e.vague = e.disks == 0
	}
	for i := range p.Stages {
		j := &p.Stages[i]
		e.index[j.ID] = i
		s := expectedStage{}
		for _, n := range j.Needs {
			if k, ok := e.index[n]; ok {
				s.needs = append(s.needs, k)
			}
		}
		cached := 0 // steps from the beginning that need not run
		for k := range j.Steps {
			if j.Steps[k].Cached && !again {
				cached = k + 1
			}
		}
		for k := range j.Steps {
			step := expectedStep{over: k < cached}
			step.seconds, step.known = t.Of(j.ID, k+1, j.Steps[k].Kind, j.Steps[k].Text)
			s.steps = append(s.steps, step)
		}
		e.stages = append(e.stages, s)
	}
	return e
}

// Tee is a function for events that passes them to next, and behind them what it expects
// when that has changed.
func (e *Estimator) Tee(next func(progress.Event)) func(progress.Event) {
	return func(ev progress.Event) {
		next(ev)
		if estimate, ok := e.event(ev); ok {
			next(estimate)
		}
	}
}

// Limits of how often an estimate is repeated.
const (
	estimateEvery = time.Second // but for events that tell what is over
	estimateShare = 0.03        // of what is left: a smaller change is not told
)

func (e *Estimator) event(ev progress.Event) (progress.Event, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	told := e.note(ev)
	if !told && ev.Time.Sub(e.looked) < estimateEvery {
		return progress.Event{}, false
	}
	e.looked = ev.Time
	left, known, all := e.left(ev.Time)
	if !known {
		return progress.Event{}, false
	}
	end := ev.Time.Add(time.Duration(left * float64(time.Second))).Round(time.Second)
	moved := math.Abs(end.Sub(e.said.ExpectedEnd).Seconds())
	if !e.said.ExpectedEnd.IsZero() && e.said.AtLeast == !all && moved <= max(1, estimateShare*left) {
		return progress.Event{}, false
	}
	e.said = progress.Event{Time: ev.Time, Kind: progress.Estimate, Seconds: math.Round(left), ExpectedEnd: end, AtLeast: !all}
	return e.said, true
}

// note takes in what an event tells, and reports whether that changes what is left.
func (e *Estimator) note(ev progress.Event) bool {
	i, ok := e.index[ev.Stage]
	if !ok {
		return ev.Kind == progress.Begun
	}
	s := &e.stages[i]
	switch ev.Kind {
	case progress.StageStarted:
		s.running = true
	case progress.StageDone:
		s.done = true
	case progress.StepCached, progress.StepDone, progress.StepStarted:
		if ev.Step < 1 || ev.Step > len(s.steps) {
			return false
		}
		s.running = true
		step := &s.steps[ev.Step-1]
		if ev.Kind == progress.StepDone && step.known && !step.over {
			e.took, e.expected = e.took+ev.Seconds, e.expected+step.seconds
		}
		step.over = ev.Kind != progress.StepStarted
		if step.begun = ev.Time; step.over {
			step.begun = time.Time{}
		}
	default:
		return false
	}
	return true
}

// overrun is how much longer a step is expected to take that takes longer than it did
// before, as a part of the time that it has taken.
const overrun = 0.1

// What is left takes as much longer or shorter as the steps that are done, within limits, and
// as far as these have taken long enough to tell.
const (
	steady           = 60.0 // seconds that count as if they had gone as expected
	fastest, slowest = 0.25, 4
)

func (e *Estimator) pace() float64 {
	return min(max((e.took+steady)/(e.expected+steady), fastest), slowest)
}

// left is how many seconds are left. Known: something is known of it; all: of all steps
// that are left.
func (e *Estimator) left(now time.Time) (seconds float64, known, all bool) {
	all = !e.vague
	need := make([]float64, len(e.stages))
	for i := range e.stages {
		s := &e.stages[i]
		for k := range s.steps {
			step := &s.steps[k]
			if s.done || step.over {
				continue
			}
			if !step.known {
				all = false
				continue
			}
			known = true
			n := step.seconds * e.pace()
			if !step.begun.IsZero() {
				took := now.Sub(step.begun).Seconds()
				if n -= took; n < 0 {
					n = overrun * took
				}
			}
			need[i] += n
		}
	}
	return e.schedule(need) + e.disks*e.pace(), known || e.disks > 0, all
}

// schedule is when stages end that take so many seconds, if each begins when those that
// it needs have ended and one of the jobs is free. Those that run have a job already.
func (e *Estimator) schedule(need []float64) float64 {
	free := make([]float64, e.jobs)
	ends := make([]float64, len(need))
	placed := make([]bool, len(need))
	place := func(i int, ready float64) {
		if ends[i], placed[i] = ready, true; need[i] == 0 {
			return
		}
		k := 0
		for j := range free {
			if free[j] < free[k] {
				k = j
			}
		}
		ends[i] = max(ready, free[k]) + need[i]
		free[k] = ends[i]
	}
	for i := range need {
		if s := &e.stages[i]; s.done {
			placed[i] = true
		} else if s.running {
			place(i, 0)
		}
	}
	for range need { // each time the one that can begin first
		next, at := -1, math.Inf(1)
		for i := range need {
			if placed[i] || slices.ContainsFunc(e.stages[i].needs, func(n int) bool { return !placed[n] }) {
				continue
			}
			ready := 0.0
			for _, n := range e.stages[i].needs {
				ready = max(ready, ends[n])
			}
			if ready < at {
				next, at = i, ready
			}
		}
		if next < 0 {
			break
		}
		place(next, at)
	}
	last := 0.0
	for _, end := range ends {
		last = max(last, end)
	}
	return last
}
