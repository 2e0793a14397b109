// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package engine

import (
	"context"
	"sync"

	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
)

// from is a FROM action.
func (r *stageRun) from(ctx context.Context, s *plan.StepPlan) error {
	ref := s.Action.Image
	reg := r.Registry
	var mu sync.Mutex
	done, total := map[string]int64{}, map[string]int64{}
	reg.Events = func(e oci.Event) {
		if e.Text != "" {
			r.event(progress.Event{Kind: progress.Note, Stage: r.plan.ID, Text: e.Text})
		}
		if e.Total <= 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		done[e.Digest], total[e.Digest] = e.Done, e.Total
		r.event(progress.Event{Kind: progress.Progress, Stage: r.plan.ID, Text: "pull " + ref, Done: sum(done), Total: sum(total)})
	}
	p, err := r.Store.Pull(ctx, reg, r.resolved.Images[plan.ImageRef(r.plan.Stage, ref)], r.resolved.Arch)
	if err != nil {
		return err
	}
	r.state = state{Layer: p.Layer, Config: p.Config}
	return nil
}

func sum(m map[string]int64) int64 {
	var n int64
	for _, v := range m {
		n += v
	}
	return n
}
