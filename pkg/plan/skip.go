// SPDX-License-Identifier: MPL-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/key"
)

// Skip has a step, by its number from 1, count as done with a state that it has not made,
// which is named by a text, such as the id of an image. The keys of the step, of those
// after it and of all that is based on them become others, which no plan of NewPlan has:
// a result of theirs is never taken for one of those. Nothing is marked as cached any
// more. The stages with other keys are returned.
func (p *Plan) Skip(stage string, step int, state string) ([]string, error) {
	j := p.Job(stage)
	if j == nil || step < 1 || step > len(j.Steps) {
		return nil, fmt.Errorf("the plan has no step %d in a stage %s", step, stage)
	}
	if state == "" {
		return nil, errors.New("the state of a skipped step has no name")
	}
	var changed []string
	for i := range p.Stages {
		j := &p.Stages[i]
		first := step - 1
		if j.ID != stage {
			first = firstBasedOn(j, changed)
		}
		if first < 0 {
			continue
		}
		j.skipFrom(p, first, state)
		changed = append(changed, j.ID)
	}
	for i := range p.Stages {
		for k := range p.Stages[i].Steps {
			p.Stages[i].Steps[k].Cached = false
		}
	}
	return changed, nil
}

// firstBasedOn is the index of the first step of a job that depends on one of several
// stages, negative for none.
func firstBasedOn(j *Job, stages []string) int {
	if slices.Contains(stages, j.Parent) {
		return 0
	}
	return slices.IndexFunc(j.Steps, func(s Step) bool {
		do, ok := s.Action.(*Copy)
		return ok && slices.Contains(stages, do.Stage)
	})
}

// skipFrom gives the steps from an index on other keys.
func (j *Job) skipFrom(p *Plan, first int, state string) {
	for k := first; k < len(j.Steps); k++ {
		if s := &j.Steps[k]; s.Key != "" {
			s.Key = key.Step("based on a skipped step", s.Key, state)
		}
	}
	switch n := len(j.Steps); {
	case n > 0:
		j.Key = j.Steps[n-1].Key
	case j.Parent != "":
		j.Key = p.Job(j.Parent).Key
	}
}

// Before is the key of what a step, by its number from 1, is based on: of the step before
// it, or of the parent's last one; "" for none.
func (p *Plan) Before(stage string, step int) string {
	j := p.Job(stage)
	switch {
	case j == nil || step < 1 || step > len(j.Steps):
		return ""
	case step > 1:
		return j.Steps[step-2].Key
	}
	if parent := p.Job(j.Parent); parent != nil {
		return parent.Key
	}
	return ""
}
