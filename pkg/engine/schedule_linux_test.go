// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/engine/enginetest"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// notes are lines that several goroutines write.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.lines)
}

func (n *notes) want(t *testing.T, lines ...string) {
	t.Helper()
	if diff := cmp.Diff(n.all(), lines); diff != "" {
		t.Errorf("(-got +want):\n%s", diff)
	}
}

// images is an engine.Images that records what it gets.
type images struct {
	notes
	fails string // call that fails
}

func (i *images) Done(_ context.Context, stage string, s engine.State) (string, error) {
	return "image-" + s.Layer, i.did("done " + stage + " " + s.Layer)
}

func (i *images) Start(_ context.Context, stage string, s engine.State) error {
	return i.did("start " + stage + " " + s.Layer)
}

func (i *images) did(what string) error {
	i.add("%s", what)
	if i.fails != "" && strings.HasPrefix(what, i.fails) {
		return errors.New("no space")
	}
	return nil
}

// executor is an engine.Executor that takes a second for each step and puts its
// result, the layer KEY, into a cache.
type executor struct {
	notes
	cache engine.Cache
	clock time.Time // when the times in notes start; zero leaves them out
	// step is what a step does, nil for nothing.
	step func(ctx context.Context, t engine.Task, i int) error

	mu       sync.Mutex
	now, max int // tasks that run now, and most so far
}

func (e *executor) Execute(ctx context.Context, t engine.Task) (out engine.Outcome, err error) {
	e.count(1)
	defer func() {
		e.count(-1)
		if errors.Is(err, context.Canceled) {
			e.add("%s%s is ended", e.at(), t.Job.ID)
		}
	}()
	e.add("%s%s from %d on %q", e.at(), t.Job.ID, t.First, t.State.Layer)
	out.State = t.State
	for i := t.First; i < len(t.Job.Steps); i++ {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return out, ctx.Err()
		}
		if e.step != nil {
			if err := e.step(ctx, t, i); err != nil {
				return out, err
			}
		}
		out.State.Layer = t.Job.Steps[i].Key
		if err := e.cache.Put(ctx, t.Job.Steps[i].Key, out.State); err != nil {
			return out, err
		}
		if err := t.Done(ctx, i, out.State); err != nil {
			return out, err
		}
		out.Ran++
	}
	return out, nil
}

func (e *executor) count(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now += n
	e.max = max(e.max, e.now)
}

func (e *executor) at() string {
	if e.clock.IsZero() {
		return ""
	}
	return fmt.Sprintf("%v ", time.Since(e.clock))
}

// scheduler is an engine on fakes.
type scheduler struct {
	*engine.Engine
	exec   *executor
	images *images
	events *notes
}

func newScheduler(jobs int) *scheduler {
	cache, im, ev := &enginetest.FakeCache{}, &images{}, &notes{}
	x := &executor{cache: cache}
	return &scheduler{&engine.Engine{
		Cache: cache, Executor: x, Images: im, BuildID: "b1", Jobs: jobs, Now: time.Now,
		Events: func(e progress.Event) { ev.add("%s %s %d/%d %s%s", e.Kind, e.Stage, e.Step, e.Steps, e.Key, e.Text) },
	}, x, im, ev}
}

// stage is a job with a number of steps, whose keys are its name and a number.
func stage(id string, steps int, needs ...string) plan.Job {
	j := plan.Job{ID: id, Needs: needs}
	if len(needs) > 0 {
		j.Parent = needs[0]
	}
	for i := range steps {
		j.Steps = append(j.Steps, plan.Step{Kind: "RUN", Text: "x", Key: fmt.Sprint(id, i)})
	}
	return j
}

func planOf(jobs ...plan.Job) *plan.Plan { return &plan.Plan{Stages: jobs} }

// A stage starts when all stages that it needs are done, on its parent's result.
func TestScheduleOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(4)
		s.exec.clock = time.Now()
		s.exec.step = func(_ context.Context, task engine.Task, i int) error {
			if task.Job.ID == "top" && i == 0 && (task.Dependencies["left"].Layer != "left1" || task.Dependencies["right"].Layer != "right2" || len(task.Dependencies) != 2) {
				t.Errorf("dependencies %v", task.Dependencies)
			}
			return nil
		}
		res, err := s.Run(t.Context(), planOf(stage("base", 1), stage("right", 3, "base"), stage("left", 2, "base"), stage("top", 1, "left", "right"), stage("alone", 5)))
		if err != nil {
			t.Fatal(err)
		}
		got := s.exec.all()
		slices.Sort(got) // two start at once
		if diff := cmp.Diff(got, []string{`0s alone from 0 on ""`, `0s base from 0 on ""`, `1s left from 0 on "base0"`, `1s right from 0 on "base0"`, `4s top from 0 on "left1"`}); diff != "" {
			t.Errorf("executed (-got +want):\n%s", diff)
		}
		if res.BuildID != "b1" || res.Ran != 12 || len(res.Stages) != 5 || res.Stages["top"].Image != "image-top0" || res.Stages["right"].Ran != 3 || res.Stages["left"].ID != "left" {
			t.Errorf("result %+v", res)
		}
	})
}

// As many stages run at a time as Jobs allows, and no more.
func TestScheduleJobs(t *testing.T) {
	for jobs, want := range map[int]struct {
		most int
		took time.Duration
	}{0: {1, 10 * time.Second}, 1: {1, 10 * time.Second}, 3: {3, 4 * time.Second}, 100: {10, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := newScheduler(jobs)
			var all []plan.Job
			for i := range 10 {
				all = append(all, stage(string(rune('a'+i)), 1))
			}
			start := time.Now()
			if _, err := s.Run(t.Context(), planOf(all...)); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != want.took || s.exec.max != want.most {
				t.Errorf("%d jobs: %d at a time, took %v", jobs, s.exec.max, took)
			}
		})
	}
}

// A stage that waits for another does not take the place of one that could run.
func TestScheduleWaitsWithoutAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(1)
		if _, err := s.Run(t.Context(), planOf(stage("a", 1), stage("b", 1, "a"), stage("c", 1, "b"), stage("d", 1, "c"))); err != nil {
			t.Fatal(err)
		}
		s.exec.want(t, `a from 0 on ""`, `b from 0 on "a0"`, `c from 0 on "b0"`, `d from 0 on "c0"`)
	})
}

// A plan in which a stage would wait for ever is refused: it may come from elsewhere.
func TestScheduleRefuses(t *testing.T) {
	lost := stage("s", 1)
	lost.Parent = "base"
	for want, p := range map[string]*plan.Plan{
		"s needs none, which is not before it":        planOf(stage("s", 1, "none")),
		"s needs s, which is not before it":           planOf(stage("s", 1, "s")),
		"a needs b, which is not before it":           planOf(stage("a", 1, "b"), stage("b", 1, "a")),
		"s occurs twice":                              planOf(stage("s", 1), stage("s", 1)),
		"s does not need base, which it is based on":  planOf(stage("base", 1), lost),
		"late needs early, which is not before it":    planOf(stage("late", 1, "early"), stage("early", 1)),
		"second needs absent, which is not before it": planOf(stage("first", 1), stage("second", 1, "first", "absent")),
	} {
		s := newScheduler(1)
		res, err := s.Run(t.Context(), p)
		if err == nil || !strings.Contains(err.Error(), want) || len(res.Stages) > 0 || len(s.exec.all()) > 0 {
			t.Errorf("%v: executed %q, error %v, want %q", res, s.exec.all(), err, want)
		}
	}
}
