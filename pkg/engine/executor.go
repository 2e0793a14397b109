// SPDX-License-Identifier: MPL-2.0

package engine

import (
	"context"

	"github.com/carosio/carosbuild/pkg/plan"
)

// Executor builds stages. Several jobs may be executed at a time.
type Executor interface {
	// Execute does the steps of a job that are not done, in order, and puts the
	// result of each into the cache. One that the cache has by now is not executed.
	// Where another build, or another job, does the same step at that moment, it
	// waits for its result. When ctx ends, it ends all that it has started, and the
	// error is ctx's. The error is a plan.StepError when a step is to blame; what that
	// one has left is not put into the cache, and the steps after it are not executed.
	// Ran counts in any case.
	Execute(ctx context.Context, t Task) (Outcome, error)
}

// Task is a job for an Executor.
type Task struct {
	Job   *plan.Job
	First int              // index of the first step that is not done
	State State            // before that step
	Below map[string]State // of the stages that the job needs

	// Done, if it is not nil, is called with what each step leaves once the cache has
	// it, executed or not. Its error ends the task.
	Done func(ctx context.Context, step int, s State) error
}

// Outcome is what a Task came to.
type Outcome struct {
	State State // of the last step
	Ran   int   // steps that were executed, not those that another build has done
}
