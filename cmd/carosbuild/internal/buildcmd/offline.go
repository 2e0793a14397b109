// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

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

// bootstraps are those that the stages of a plan are based on.
func bootstraps(p *plan.Plan) []debian.Bootstrap {
	var all []debian.Bootstrap
	for i := range p.Stages {
		if a := p.Stages[i].Apt; a != nil {
			all = append(all, a.Bootstrap)
		}
	}
	return all
}
