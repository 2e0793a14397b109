// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/plan"
)

// Executor builds stages. Several jobs may be executed at a time.
type Executor interface {
	// Execute does the steps of a job that are not done, in order, and puts the
	// result of each into the cache. One that the cache has by now is not executed.
	// When ctx ends, it ends all that it has started, and the error is ctx's. The error
	// is a plan.StepError when a step is to blame; what that one has left is not put
	// into the cache, and the steps after it are not executed. Ran counts in any case.
	//
	// Where another build, or another job, does the same step at that moment, an
	// executor that is exclusive waits for its result, and others may do it, too.
	Execute(ctx context.Context, t Task) (Outcome, error)
}

// Task is a job for an Executor. But for Done, JSON gives it and takes it back: with a
// bundle of the job's Inputs it is all that another machine needs, see plan.Job.Bundled.
type Task struct {
	BuildID      string           `json:"build_id"`
	Job          *plan.Job        `json:"job"`
	First        int              `json:"first"`                 // index of the first step that is not done
	State        State            `json:"state"`                 // before that step
	Dependencies map[string]State `json:"dependencies,omitzero"` // of the stages that the job needs

	// Done, if it is not nil, is called with what each step leaves once the cache has
	// it, executed or not. Its error ends the task.
	Done func(ctx context.Context, step int, s State) error `json:"-"`
}

// Outcome is what a Task came to.
type Outcome struct {
	State State `json:"state"` // of the last step
	Ran   int   `json:"ran"`   // steps that were executed, not those that another build has done
}

// Check refuses a task that no Executor could do, as one that comes from elsewhere
// may be.
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
