// SPDX-License-Identifier: MPL-2.0

package history

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/carosio/carosbuild/pkg/fsck"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/sealed"
)

// History remembers what the steps of stages were made of when a declaration was
// built last: one file for each stage. It explains, and decides nothing.
type History struct {
	Dir string

	// Elsewhere is what is remembered under a name on another machine; nil: nothing.
	Elsewhere func(name string) ([]byte, bool)
}

func (h History) path(declaration, stage string) string {
	return filepath.Join(h.Dir, pastName(declaration, stage)+".json")
}

// Write remembers a plan that is about to be run. A declaration is named as the
// caller likes, the same every time.
func (h History) Write(declaration string, p *plan.Plan, buildID string) error {
	for i := range p.Stages {
		if err := sealed.Write(h.path(declaration, p.Stages[i].ID), plan.PastOf(&p.Stages[i], buildID)); err != nil {
			return fmt.Errorf("remember the plan: %w", err)
		}
	}
	return nil
}

func (h History) read(declaration, stage string) (past plan.Past, ok bool) {
	if whole, err := sealed.ReadSince(h.path(declaration, stage), &past); err == nil && whole {
		return past, true
	}
	if h.Elsewhere != nil {
		if data, ok := h.Elsewhere(pastName(declaration, stage)); ok && json.Unmarshal(data, &past) == nil {
			return past, true
		}
	}
	return plan.Past{}, false
}

// Fsck checks all that is remembered.
func (h History) Fsck(ctx context.Context, c *fsck.Check) error {
	return sealed.Fsck(ctx, c, "plan", h.Dir, "removed; the next build remembers its plan again")
}

// Past is what a stage is made of, as it is remembered, and the name that another
// machine asks for it by.
func Past(declaration string, j *plan.Job, buildID string) (name string, data []byte, err error) {
	data, err = json.Marshal(plan.PastOf(j, buildID))
	return pastName(declaration, j.ID), data, err
}

func pastName(declaration, stage string) string { return key.Name("history", declaration, stage) }

// Explain says of the first step of each stage that would run, in Why, what is
// different from when the declaration was built last; not of stages that run because
// the one below does. What is cached has to be marked.
func (h History) Explain(declaration string, p *plan.Plan) {
	changed := map[string]bool{} // stages that run
	for i := range p.Stages {
		s := &p.Stages[i]
		changed[s.ID] = changed[s.Parent]
		first := 0
		for j := range s.Steps {
			if s.Steps[j].Cached { // what is before it need not run
				first = j + 1
			}
		}
		if first == len(s.Steps) {
			continue
		}
		if changed[s.ID] {
			continue
		}
		changed[s.ID] = true
		if s.Steps[first].Key == "" {
			continue // Unresolved says more
		}
		s.Steps[first].Why = plan.NotRemembered
		if past, ok := h.read(declaration, s.ID); ok {
			s.Steps[first].Why = past.Why(s, first)
		}
	}
}
