// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/resolve"
)

// placesHere leaves out the caches that only a network leads to, where none is used.
func (c *buildCommand) placesHere(p cachePlaces, note func(string)) (cachePlaces, error) {
	if !c.Offline {
		return p, nil
	}
	var away []string
	elsewhere := func(ref string) bool {
		if oci.IsLocal(ref) {
			return false
		}
		if !slices.Contains(away, ref) {
			away = append(away, ref)
		}
		return true
	}
	p.from = slices.DeleteFunc(p.from, elsewhere)
	p.to = slices.DeleteFunc(p.to, func(t cacheTarget) bool { return elsewhere(t.ref) })
	if len(away) > 0 && c.required {
		return p, cli.Usagef("--cache-required: %s cannot be used with --offline", strings.Join(away, ", "))
	}
	for _, ref := range away {
		note("cache " + ref + " is left out: --offline uses no registry")
	}
	return p, nil
}

// unknown is an offline.LackingError about what could not be looked up without a network.
func (c *planner) unknown(j *buildJob, res *resolve.Resolved, targets []string) error {
	p, err := plan.NewPlan(j.decl, targets, res.Facts)
	if err != nil {
		return err
	}
	return &offline.LackingError{Needs: offline.Unknown(p), Cure: "leave --offline out"}
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
	missing := &offline.LackingError{Needs: needs}
	if c.Vendor != "" {
		missing.Cure = "run carosbuild vendor again where there is a network, and bring the new folder"
	}
	return missing, nil
}
