// SPDX-License-Identifier: MPL-2.0

package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/plan"
)

// The first failure ends the others and is the error; finished stages are in the result.
func TestScheduleFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(3)
		s.exec.clock = time.Now()
		broken := &plan.StepError{Stage: "broken", Kind: "RUN", Status: 7}
		s.exec.step = func(_ context.Context, task engine.Task, i int) error {
			if task.Job.ID == "broken" && i == 1 {
				return broken
			}
			return nil
		}
		res, err := s.Run(t.Context(), planOf(stage("short", 1), stage("broken", 5), stage("long", 60), stage("never", 1, "broken"), stage("more", 60, "short")))
		if err != broken {
			t.Errorf("error %v", err)
		}
		if took := s.exec.at(); took != "2s " {
			t.Errorf("it took %s", took)
		}
		if len(res.Stages) != 1 || res.Stages["short"].Image != "image-short0" || res.Ran != 1 {
			t.Errorf("result %+v", res)
		}
		ended := 0
		for _, line := range s.exec.all() {
			if strings.Contains(line, "never") {
				t.Error(line)
			}
			if strings.HasSuffix(line, "is ended") {
				ended++
			}
		}
		if ended != 2 {
			t.Errorf("ended %d of 2: %q", ended, s.exec.all())
		}
	})
}

// When the caller's context ends, all stages end, even those that wait for a stage or a
// place.
func TestScheduleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(1)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Second/2, cancel)
		res, err := s.Run(ctx, planOf(stage("a", 1), stage("b", 5, "a"), stage("c", 1, "b"), stage("d", 60)))
		if !errors.Is(err, context.Canceled) || len(res.Stages) > 1 {
			t.Errorf("%v, result %+v", err, res)
		}
	})
}

// Cached steps are not executed, and the images are kept all the same.
func TestScheduleAllCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(1)
		p := planOf(stage("a", 2), stage("b", 1, "a"), stage("empty", 0, "b"))
		if _, err := s.Run(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		s.images.want(t, "start a a0", "done a a1", "done b b0", "done empty b0")
		first := s.exec.all()
		s.images.lines, s.events.lines = nil, nil
		res, err := s.Run(t.Context(), p)
		if err != nil || res.Ran != 0 || res.Stages["empty"].Layer != "b0" {
			t.Errorf("%+v, %v", res, err)
		}
		s.exec.want(t, first...)
		s.images.want(t, "start a a0", "done a a1", "done b b0", "done empty b0")
		s.events.want(t, "step-cached a 1/2 a0RUN x", "step-cached a 2/2 a1RUN x", "stage-done a 0/0 ", "step-cached b 1/1 b0RUN x", "stage-done b 0/0 ", "stage-done empty 0/0 ")
	})
}

// A stage goes on after the last step that the cache has, even if it lacks an earlier one.
func TestSchedulePartlyCached(t *testing.T) {
	for name, tt := range map[string]struct {
		cached, images, events []string
		executed               string
	}{
		"none": {
			nil, []string{"start s s0", "done s s3"}, nil, `s from 0 on ""`,
		},
		"the first": {
			[]string{"s0"}, []string{"start s s0", "done s s3"}, []string{"step-cached s 1/4 s0RUN x"}, `s from 1 on "s0"`,
		},
		"two": {
			[]string{"s0", "s1"}, []string{"start s s0", "done s s3"}, []string{"step-cached s 1/4 s0RUN x", "step-cached s 2/4 s1RUN x"}, `s from 2 on "s1"`,
		},
		"the second": {
			[]string{"s1"}, []string{"done s s3"}, []string{"step-cached s 1/4 s0RUN x", "step-cached s 2/4 s1RUN x"}, `s from 2 on "s1"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScheduler(1)
				for _, k := range tt.cached {
					if err := s.Cache.Put(t.Context(), k, engine.State{Layer: k}); err != nil {
						t.Fatal(err)
					}
				}
				res, err := s.Run(t.Context(), planOf(stage("s", 4)))
				if err != nil || res.Ran != 4-len(tt.events) {
					t.Fatalf("%d steps ran, %v", res.Ran, err)
				}
				s.exec.want(t, tt.executed)
				s.images.want(t, tt.images...)
				s.events.want(t, append(append([]string{"stage-started s 0/4 "}, tt.events...), "stage-done s 0/0 ")...)
			})
		})
	}
}

// A stage's first result is kept if the stage has no parent and more than one step.
func TestScheduleStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(1)
		if _, err := s.Run(t.Context(), planOf(stage("one", 1), stage("on", 3, "one"))); err != nil {
			t.Fatal(err)
		}
		s.images.want(t, "done one one0", "done on on2")
	})
}

// An image that cannot be kept or a failing cache ends the build; the error names the stage.
func TestScheduleErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		fails, want string
		jobs        []plan.Job
		cached      bool
	}{
		"done":            {"done s", "stage s: no space", []plan.Job{stage("s", 1)}, false},
		"done of cached":  {"done s", "stage s: no space", []plan.Job{stage("s", 1)}, true},
		"start":           {"start s", "no space", []plan.Job{stage("s", 2)}, false},
		"start of cached": {"start s", "stage s: no space", []plan.Job{stage("s", 2)}, true},
		"lookup":          {"", "stage s: a key is empty", []plan.Job{{ID: "s", Steps: []plan.Step{{Kind: "RUN"}}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScheduler(1)
				s.images.fails = tt.fails
				if tt.cached {
					for _, k := range []string{"s0", "s1"} {
						if err := s.Cache.Put(t.Context(), k, engine.State{Layer: k}); err != nil {
							t.Fatal(err)
						}
					}
				}
				res, err := s.Run(t.Context(), planOf(tt.jobs...))
				if err == nil || !strings.Contains(err.Error(), tt.want) || len(res.Stages) > 0 {
					t.Errorf("%+v, error %v, want %q", res, err, tt.want)
				}
			})
		})
	}
}

// An engine with a fresh cache executes every step once, however often it runs.
func TestScheduleAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(1)
		p := planOf(stage("a", 2), stage("b", 1, "a"))
		if _, err := s.Run(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		s.Cache = engine.Fresh(s.Cache)
		s.exec.cache = s.Cache
		var ran []int
		for range 3 {
			res, err := s.Run(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			ran = append(ran, res.Ran)
		}
		if diff := cmp.Diff(ran, []int{3, 0, 0}); diff != "" {
			t.Errorf("steps that ran (-got +want):\n%s", diff)
		}
	})
}

// An engine without a display runs, too.
func TestScheduleWithoutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScheduler(1)
		s.Events, s.Now = nil, time.Now
		if _, err := s.Run(t.Context(), planOf(stage("a", 1))); err != nil {
			t.Fatal(err)
		}
	})
}
