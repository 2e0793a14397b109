// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
)

// planner reads a declaration and looks up what it names, for the commands that do
// more with it.
type planner struct {
	*cli.App
	planOptions
}

// loadJob is newJob, with the declaration.
func (p *planner) loadJob(ctx context.Context, look bool) (*buildJob, error) {
	j, err := newJob(ctx, p.App, look)
	if err != nil {
		return nil, err
	}
	p.Kas.Remotes, p.Kas.Update = p.remotes, p.update
	if j.decl, err = declfile.Load(ctx, p.App, p.declFiles, j.dirs.Cache); err != nil {
		return nil, err
	}
	return j, nil
}
