// SPDX-License-Identifier: MPL-2.0

package history

import (
	"slices"

	"github.com/carosio/carosbuild/pkg/plan"
)

// imageNames are the names that a stage's image gets: its own, and those of the
// starts of stages on top of it. So a start costs no write of its own.
func imageNames(p *plan.Plan, buildID, stage string) []string {
	names := []string{ImageName(buildID, stage)}
	for i := range p.Stages {
		s := &p.Stages[i]
		alone := s.ID == stage && s.Parent == "" && len(s.Steps) == 1
		if s.Parent == stage || alone {
			names = append(names, startName(p, buildID, s.ID)...)
		}
	}
	return names
}

// maxTag is how long a tag may be (distribution-spec, "Pulling manifests").
const maxTag = 128

// startName is the name of a stage's start, unless another stage is called so.
func startName(p *plan.Plan, buildID, stage string) []string {
	if len(stage+startSuffix) > maxTag || slices.ContainsFunc(p.Stages, func(s plan.Job) bool { return s.ID == stage+startSuffix }) {
		return nil
	}
	return []string{ImageName(buildID, stage+startSuffix)}
}
