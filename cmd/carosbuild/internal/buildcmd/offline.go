// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/resolve"
)

// unknown is an offline.LackingError about what could not be looked up without a network.
func (c *planner) unknown(j *buildJob, res *resolve.Resolved, targets []string) error {
	p, err := plan.NewPlan(j.decl, targets, res.Facts)
	if err != nil {
		return err
	}
	return &offline.LackingError{Needs: offline.Unknown(p)}
}

// lacking is an offline.LackingError where a build without a network lacks something.
func (c *buildCommand) lacking(ctx context.Context, j *buildJob, view render.Display) (lacking error, err error) {
	if !c.Offline {
		return nil, nil
	}
	fetcher, _, err := fetcher(c.App, j.dirs, view)
	if err != nil {
		return nil, err
	}
	p := *j.plan
	if c.noCache {
		p = *p.Uncached()
	}
	needs, err := offline.Lacking(ctx, &p, offline.Here{
		Packages: fetcher, Git: c.GitCache(j.dirs, view), Image: c.Registry(j.store).Beside, Local: oci.IsLocal,
	})
	if err != nil || len(needs) == 0 {
		return nil, err
	}
	return &offline.LackingError{Needs: needs}, nil
}
