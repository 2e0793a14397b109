// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"slices"

	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/rung"
)

// host is who asks the ladder.
func (a *app) host() rung.Host { return rung.Host{Account: a.account(), Runtime: a.runtime} }

// checkSandbox refuses a sandbox, or a kind of snapshots, that there is not.
func (a *app) checkSandbox() error {
	if a.snapshots != "" && !slices.Contains(layer.Kinds(), layer.Kind(a.snapshots)) {
		return usagef("--snapshots %q: want overlay or copy", a.snapshots)
	}
	if a.sandbox == "" {
		return nil
	}
	if _, err := rung.All().Find(a.sandbox); err != nil {
		return usagef("--sandbox: %w", err)
	}
	return nil
}

// openRoom opens the rung that this process was started for, and says which, below a
// directory of the account.
func (a *app) openRoom(ctx context.Context, dir string) (room *rung.Room, line string, err error) {
	choice, r, ok := rung.All().Chosen(a.getenv)
	if !ok {
		return nil, "", errors.New("this process was not told how steps are to run")
	}
	room, err = r.Open(ctx, rung.Setting{Dir: dir, Runtime: a.runtime})
	return room, choice.Line(r), err
}
