// SPDX-License-Identifier: MPL-2.0

package main

import "context"

// planner reads a declaration and looks up what it names, for the commands that do
// more with it.
type planner struct {
	*app
	planOptions
}

// loadJob is newJob, with the declaration.
func (p *planner) loadJob(ctx context.Context) (*job, error) {
	j, err := p.newJob()
	if err != nil {
		return nil, err
	}
	p.kas.remotes, p.kas.update = p.remotes, p.update
	if j.decl, err = p.load(ctx, p.declFiles, j.dirs.cache); err != nil {
		return nil, err
	}
	return j, nil
}
