// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/carosio/carosbuild/pkg/plan"
)

// Resumption is a build that is gone on with, as it has left itself.
type Resumption struct {
	ID      string
	Skip    bool // the step that failed counts as done
	Command *Command
	Report  *Report    // nil where the build was killed
	Plan    *plan.Plan // likewise, before it began
}

// ReadResumption reads what a build has left in its directory of logs. It is
// fs.ErrNotExist where that is nothing that it can be gone on with by.
func ReadResumption(logs, id string) (*Resumption, error) {
	if !isBuildID(id) {
		return nil, fmt.Errorf("%q is not a build id: %w", id, fs.ErrNotExist)
	}
	dir, r := filepath.Join(logs, id), &Resumption{ID: id}
	var err error
	if r.Command, err = ReadCommand(dir); err != nil {
		return nil, err
	}
	if r.Report, err = ReadReport(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if r.Report != nil && r.Report.End.Before(r.Command.Started) { // of an earlier run of the same id
		r.Report = nil
	}
	if r.Plan, err = ReadPlan(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return r, nil
}

// Check finds out whether there is something to go on with, with options that are given
// now. An error is for the person who asks for it.
func (r *Resumption) Check(given func(option string) bool) error {
	switch {
	case r.Report != nil && r.Report.Status == Done:
		return fmt.Errorf("build %s has not failed: there is nothing to go on with", r.ID)
	case r.Skip && (r.Report == nil || r.Report.Failed == nil || r.Plan == nil):
		return fmt.Errorf("build %s was not ended by a step that failed: leave out --skip", r.ID)
	case r.Skip && r.Report.Failed.Image == "":
		return errors.New("the step that failed has left no half-done stage to go on from: leave out --skip")
	}
	for _, name := range r.Command.Withheld {
		if !given(name) {
			return fmt.Errorf("build %s had --%s with a password, which is not kept: give the option again", r.ID, name)
		}
	}
	return nil
}

// ErrChanged says that what comes before a step is another than it was.
var ErrChanged = errors.New("what comes before the step that failed has changed since: without --skip, it runs again")

// Apply has the steps of a new plan count as done that do: those that did before, and with
// Skip the one that has failed now. Image finds an image by its name. What does not count
// as done any more is told. The result are these steps, and the stages that are based on
// one of them.
func (r *Resumption) Apply(p *plan.Plan, image func(name string) (id string, err error), tell func(SkippedStep)) (skipped []SkippedStep, stages []string, err error) {
	all := slices.Clone(r.Command.Skipped)
	if r.Skip {
		f := r.Report.Failed
		id, err := image(FailureName(r.ID, f.Stage))
		if err != nil {
			return nil, nil, fmt.Errorf("the half-done stage %s is gone: leave out --skip", f.Image)
		}
		all = append(all, SkippedStep{Stage: f.Stage, Step: f.Step, Image: id, Before: r.Plan.Before(f.Stage, f.Step), What: fmt.Sprintf("exit status %d", f.Status)})
	}
	for i, s := range all {
		if j := p.Job(s.Stage); j == nil || s.Step > len(j.Steps) || p.Before(s.Stage, s.Step) != s.Before {
			if r.Skip && i == len(all)-1 {
				return nil, nil, ErrChanged
			}
			tell(s)
			continue
		}
		changed, err := p.Skip(s.Stage, s.Step, s.Image)
		if err != nil {
			return nil, nil, err
		}
		skipped = append(skipped, s)
		for _, stage := range changed {
			if !slices.Contains(stages, stage) {
				stages = append(stages, stage)
			}
		}
	}
	return skipped, stages, nil
}
