// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/plan"
)

// Executor builds stages. Several jobs may be executed at a time.
type Executor interface {
	// Execute executes the steps of a job that are not done, in order, and puts the
	// result of each into the cache. A step that the cache has by now is not executed.
	// When ctx ends, Execute ends all that it has started, and returns ctx's error. The
	// error is a plan.StepError if a step is to blame; the result of that step is not put
	// into the cache, and later steps are not executed. Ran is valid in any case.
	//
	// If another build or another job executes the same step at that moment, an exclusive
	// executor waits for its result; other executors may execute the step, too.
	Execute(ctx context.Context, t Task) (Outcome, error)
}

// Task is a job for an Executor. All but Done survives encoding to JSON: with a bundle
// of the job's Inputs it is all that another machine needs, see plan.Job.Bundled.
type Task struct {
	BuildID      string           `json:"build_id"`
	Job          *plan.Job        `json:"job"`
	First        int              `json:"first"`                 // index of the first step that is not done
	State        State            `json:"state"`                 // before that step
	Dependencies map[string]State `json:"dependencies,omitzero"` // of the stages that the job needs

	// Done, if not nil, is called with the result of each step once the cache has it,
	// whether the step was executed or not. Its error ends the task.
	Done func(ctx context.Context, step int, s State) error `json:"-"`
}

// Outcome is the result of a Task.
type Outcome struct {
	State State `json:"state"` // of the last step
	Ran   int   `json:"ran"`   // steps that were executed here, not by another build
}

// Check refuses a task that no Executor could execute: a task may come from elsewhere.
func (t Task) Check() error {
	if err := t.Job.Check(); err != nil {
		return err
	}
	if t.First < 0 || t.First > len(t.Job.Steps) {
		return fmt.Errorf("stage %s: step %d of %d is to be the first", t.Job.ID, t.First+1, len(t.Job.Steps))
	}
	for _, id := range t.Job.Needs {
		if _, ok := t.Dependencies[id]; !ok {
			return fmt.Errorf("stage %s: the result of %s, which it needs, is missing", t.Job.ID, id)
		}
	}
	return nil
}
