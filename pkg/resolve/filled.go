// SPDX-License-Identifier: MPL-2.0

package resolve

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/key"
	"github.com/carosio/carosbuild/pkg/plan"
)

// filled is plan.FillIn with the variables of base images, which are looked up if
// something needs them.
func (r *Resolver) filled(ctx context.Context, stages []*decl.Stage, out *Resolved) ([]*decl.Stage, finding.Findings, error) {
	for {
		filled, images, fs := plan.FillIn(stages, out.Facts)
		maps.DeleteFunc(images, func(ref string, _ *plan.BaseImage) bool { return out.Unresolved[plan.ImageOf(ref)] != "" })
		if len(images) == 0 {
			return filled, fs, nil
		}
		for _, ref := range slices.Sorted(maps.Keys(images)) {
			i := images[ref]
			if err := r.image(ctx, i.Stage, i.Action, out); err != nil {
				return nil, nil, err
			}
			pinned := out.Images[ref]
			if out.Unresolved[plan.ImageOf(ref)] != "" {
				continue
			}
			if pinned == "" { // not locked, which is a finding of its own
				return stages, nil, nil
			}
			env, err := r.imageEnvironment(ctx, ref, pinned)
			if r.put(out, err, plan.ImageOf(ref)) {
				continue
			}
			if err != nil {
				return nil, nil, fmt.Errorf("stage %s: variables of image %s: %w", i.Stage.ID, i.Action.Image, err)
			}
			if out.Environments == nil {
				out.Environments = map[string][]string{}
			}
			out.Environments[ref] = env
		}
	}
}

// imageEnvironment returns the variables of an image, which are determined by its
// digest.
func (r *Resolver) imageEnvironment(ctx context.Context, ref, pinned string) ([]string, error) {
	id := key.Name("pin environment", plan.DigestOf(pinned), r.Arch)
	if p, ok := r.Pins.read(id); ok && p.Environment != nil {
		return p.Environment, nil
	}
	env, err := r.Registry.Environment(ctx, pinned, r.Arch)
	if err != nil {
		return nil, err
	}
	if env == nil {
		env = []string{}
	}
	return env, r.Pins.write(id, pin{Environment: env})
}
