// SPDX-License-Identifier: MPL-2.0

package history

import (
	"math"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// report is one in which each step of stages took a time.
func timed(stages map[string][]float64, text string) *Report {
	r := &Report{Status: Done}
	for id, steps := range stages {
		s := StageReport{ID: id}
		for i, sec := range steps {
			s.Steps = append(s.Steps, StepReport{Kind: "RUN", Text: text + id + string(rune('0'+i)), Status: Done, Seconds: sec})
		}
		r.Stages = append(r.Stages, s)
	}
	return r
}

func TestTimes(t *testing.T) {
	h := History{Dir: t.TempDir()}
	if _, ok := h.Times("d").Of("a", 1, "RUN", "x a0"); ok {
		t.Error("something is known of nothing")
	}
	for _, sec := range []float64{100, 1, 2, 9, 3, 4} { // the first is forgotten; the median of the others is 3
		if err := h.WriteTimes("d", timed(map[string][]float64{"a": {sec, sec * 10}}, "x ")); err != nil {
			t.Fatal(err)
		}
	}
	cached := timed(map[string][]float64{"a": {77}}, "x ")
	cached.Stages[0].Steps[0].Cached = true
	failed := timed(map[string][]float64{"a": {0.1}}, "x ")
	failed.Stages[0].Steps[0].Status = Failed
	long := timed(map[string][]float64{"l": {5}}, strings.Repeat("y", 1<<20))
	for _, r := range []*Report{cached, failed, long} {
		if err := h.WriteTimes("d", r); err != nil {
			t.Fatal(err)
		}
	}
	times := h.Times("d")
	for _, tt := range []struct {
		stage  string
		number int
		text   string
		want   float64 // negative: unknown
	}{
		{"a", 1, "x a0", 3},
		{"a", 7, "x a1", 30},          // it has moved
		{"other", 7, "x a1", 30},      // to another stage
		{"a", 2, "a changed one", 30}, // in its place
		{"other", 1, "another one", -1},
		{"a", 9, "a new one", -1},
		{"l", 1, strings.Repeat("y", 1<<20) + "l0", 5},
	} {
		got, ok := times.Of(tt.stage, tt.number, "RUN", tt.text)
		if ok != (tt.want >= 0) || ok && got != tt.want {
			t.Errorf("%s %d %.20s: got %g %t, want %g", tt.stage, tt.number, tt.text, got, ok, tt.want)
		}
	}
	if _, ok := h.Times("other declaration").Of("a", 1, "RUN", "x a0"); ok {
		t.Error("another declaration is known")
	}
	if _, ok := times.Of("a", 1, "COPY", "x a0"); ok {
		t.Error("another kind is known")
	}
}

// chainPlan is base, on it a and b, and c that needs both; each of two steps.
func chainPlan() *plan.Plan {
	p := &plan.Plan{}
	for _, s := range []struct {
		id    string
		needs []string
	}{{"base", nil}, {"a", []string{"base"}}, {"b", []string{"base"}}, {"c", []string{"a", "b"}}} {
		j := plan.Job{ID: s.id, Needs: s.needs}
		for i := range 2 {
			j.Steps = append(j.Steps, plan.Step{Kind: "RUN", Text: s.id + string(rune('0'+i))})
		}
		p.Stages = append(p.Stages, j)
	}
	return p
}

func TestEstimate(t *testing.T) {
	times := &Times{}
	times.learn(timed(map[string][]float64{"base": {1, 2}, "a": {10, 20}, "b": {5, 5}, "c": {1, 1}}, ""))
	left := func(jobs int, change func(*plan.Plan, *Estimator)) (float64, bool, bool) {
		p := chainPlan()
		if change != nil {
			change(p, nil)
		}
		e := NewEstimator(p, times, jobs, false, false)
		if change != nil {
			change(nil, e)
		}
		return e.left(at(100))
	}
	event := func(kind progress.EventKind, stage string, step int, sec int64) progress.Event {
		return progress.Event{Time: at(sec), Kind: kind, Stage: stage, Step: step}
	}
	for _, tt := range []struct {
		name       string
		jobs       int
		change     func(*plan.Plan, *Estimator)
		want       float64
		known, all bool
	}{
		{"two at a time", 2, nil, 3 + 30 + 2, true, true},
		{"one at a time", 1, nil, 3 + 30 + 10 + 2, true, true},
		{"some are cached", 2, func(p *plan.Plan, _ *Estimator) {
			if p != nil {
				p.Stages[0].Steps[1].Cached, p.Stages[1].Steps[0].Cached = true, true
			}
		}, 20 + 2, true, true},
		{"one is new", 2, func(p *plan.Plan, _ *Estimator) {
			if p != nil {
				p.Stages[1].Steps = append(p.Stages[1].Steps, plan.Step{Kind: "RUN", Text: "new"})
			}
		}, 3 + 30 + 2, true, false},
		{"in the middle", 2, func(_ *plan.Plan, e *Estimator) {
			if e != nil {
				e.note(event(progress.StageDone, "base", 0, 90))
				e.note(event(progress.StageDone, "b", 0, 90))
				done := event(progress.StepDone, "a", 1, 94)
				done.Seconds = 10
				e.note(done)
				e.note(event(progress.StepStarted, "a", 2, 94))
			}
		}, 14 + 2, true, true},
		{"longer than before", 2, func(_ *plan.Plan, e *Estimator) {
			if e != nil {
				for _, s := range []string{"base", "a", "b"} {
					e.note(event(progress.StageDone, s, 0, 50))
				}
				e.note(event(progress.StepStarted, "c", 1, 50))
			}
		}, 5 + 1, true, true},
		{"nothing is left", 2, func(_ *plan.Plan, e *Estimator) {
			if e != nil {
				for _, s := range []string{"base", "a", "b", "c"} {
					e.note(event(progress.StageDone, s, 0, 50))
				}
			}
		}, 0, false, true},
		{"an event of no step", 2, func(_ *plan.Plan, e *Estimator) {
			if e != nil && (e.note(event(progress.StepDone, "a", 9, 1)) || e.note(event(progress.StepDone, "nosuch", 1, 1))) {
				panic("it counts")
			}
		}, 35, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, known, all := left(tt.jobs, tt.change)
			if got != tt.want || known != tt.known || all != tt.all {
				t.Errorf("got %g %t %t, want %g %t %t", got, known, all, tt.want, tt.known, tt.all)
			}
		})
	}
	if _, known, all := NewEstimator(chainPlan(), times, 2, false, true).left(at(0)); !known || all {
		t.Errorf("of the first disk: known %t, all %t", known, all)
	}
	if _, known, _ := NewEstimator(chainPlan(), &Times{}, 2, false, true).left(at(0)); known {
		t.Error("something is known of a first build")
	}
}

// TestPace: what is left goes by how fast the steps were that are done, but not by a short one.
func TestPace(t *testing.T) {
	times := &Times{}
	times.learn(timed(map[string][]float64{"s": {0.1, 600, 600}}, ""))
	for _, tt := range []struct{ first, second, want float64 }{
		{0.1, 600, 600}, {5, 600, 604}, {0.1, 1200, 1145}, {0.1, 1e6, 2400}, {0.1, 0, 150},
	} {
		e := NewEstimator(&plan.Plan{Stages: []plan.Job{{ID: "s", Steps: []plan.Step{{Kind: "RUN", Text: "s0"}, {Kind: "RUN", Text: "s1"}, {Kind: "RUN", Text: "s2"}}}}}, times, 1, false, false)
		for i, sec := range []float64{tt.first, tt.second} {
			for range 2 { // a plan may be run again
				e.note(progress.Event{Kind: progress.StepDone, Stage: "s", Step: i + 1, Seconds: sec})
			}
		}
		if got, _, _ := e.left(at(0)); math.Abs(got-tt.want) > 1 {
			t.Errorf("%g and %g seconds: %g are left, want %g", tt.first, tt.second, got, tt.want)
		}
	}
}

// TestEstimateEvents: an estimate follows the event that changes it, and is not repeated.
func TestEstimateEvents(t *testing.T) {
	times := &Times{}
	r := timed(map[string][]float64{"base": {1, 2}, "a": {10, 20}, "b": {5, 5}, "c": {1, 1}}, "")
	r.Activities = []Activity{{Text: "write x.vmdk", Seconds: 7}}
	times.learn(r)
	e := NewEstimator(chainPlan(), times, 2, false, true)
	var got []progress.Event
	show := e.Tee(func(ev progress.Event) {
		if ev.Kind == progress.Estimate {
			got = append(got, ev)
		}
	})
	show(progress.Event{Time: at(10), Kind: progress.Begun})
	show(progress.Event{Time: at(10), Kind: progress.StepStarted, Stage: "base", Step: 1})
	show(progress.Event{Time: at(11), Kind: progress.StepDone, Stage: "base", Step: 1, Seconds: 1})
	for range 1000 {
		show(progress.Event{Time: at(11), Kind: progress.StepOutput, Stage: "base"})
	}
	if len(got) != 1 || got[0].Seconds != 42 || !got[0].ExpectedEnd.Equal(at(52)) || got[0].AtLeast {
		t.Fatalf("%+v", got)
	}
	show(progress.Event{Time: at(11), Kind: progress.StepStarted, Stage: "base", Step: 2})
	show(progress.Event{Time: at(21), Kind: progress.StepDone, Stage: "base", Step: 2, Seconds: 10}) // 8 seconds late, and so a bit slower from now on
	if len(got) != 2 || !got[1].ExpectedEnd.Equal(at(65)) {
		t.Errorf("%+v", got)
	}
	again := NewEstimator(&plan.Plan{Stages: []plan.Job{{ID: "a", Steps: []plan.Step{{Kind: "RUN", Text: "a0", Cached: true}}}}}, times, 1, true, false)
	if sec, known, _ := again.left(at(0)); !known || sec != 10 {
		t.Errorf("with every step again: %g %t", sec, known)
	}
}
