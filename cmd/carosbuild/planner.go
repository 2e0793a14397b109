// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
