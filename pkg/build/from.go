// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"context"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/layer"
)

// Images are where FROM takes images from.
type Images interface {
	// Resolve returns the digest of the image that ref names now, for a Debian
	// architecture. It does not change the store.
	Resolve(ctx context.Context, ref, arch string) (digest string, err error)
	// Pull brings the image of that digest into the store and returns its top
	// layer and its configuration.
	Pull(ctx context.Context, s *layer.Store, ref, arch, digest string, progress func(done, total int64)) (top string, cfg layer.ImageConfig, err error)
}

// isFile reports whether a reference names files of the host, whose content
// may be another one at any time.
func isFile(ref string) bool {
	return strings.HasPrefix(ref, "oci:") || strings.HasPrefix(ref, "docker-archive:")
}

// from is a FROM action.
func (r *stageRun) from(ctx context.Context, s *StepPlan) error {
	ref := s.Action.Image
	if ref == "scratch" {
		r.state = state{Config: layer.NewImageConfig(r.resolved.Arch)}
		return nil
	}
	top, cfg, err := r.Images.Pull(ctx, r.Store, ref, r.resolved.Arch, r.resolved.Inputs.Images[ref], func(done, total int64) {
		r.event(Event{Kind: Progress, Stage: r.plan.ID, Text: "pull " + ref, Done: done, Total: total})
	})
	if err != nil {
		return fmt.Errorf("pull %s: %w", ref, err)
	}
	r.state = state{Layer: top, Config: cfg}
	return nil
}
