// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/xdg"
)

// openStore opens the store. containers/storage would make a directory of its
// own below /tmp where XDG_RUNTIME_DIR is of no use, as in most CI jobs.
func (a *app) openStore(ctx context.Context, p layer.Paths, d dirs) (*layer.Store, error) {
	if xdg.RuntimeDir(a.getenv) == "" {
		run := filepath.Join(d.state, "run")
		if err := os.MkdirAll(run, 0o700); err != nil {
			return nil, err
		}
		if err := os.Setenv("XDG_RUNTIME_DIR", run); err != nil {
			return nil, err
		}
	}
	if err := a.shut(p, d); err != nil {
		return nil, err
	}
	return layer.Open(ctx, layer.Options{GraphRoot: p.GraphRoot, RunRoot: p.RunRoot, Holder: a.holder()})
}

// shut sees to it that the store can be where it is to be, and keeps what steps have left in the store and in caches from having any
// effect outside of steps: for other accounts, and in this namespace.
func (a *app) shut(p layer.Paths, d dirs) error {
	if err := ownPlaces(p); err != nil {
		return err
	}
	if err := a.settle(p); err != nil {
		return err
	}
	for _, dir := range []string{p.GraphRoot, d.cache, d.state} {
		if err := userns.Confine(dir); err != nil {
			return err
		}
	}
	return nil
}

// ownPlaces takes the store's directories out of reach of other accounts. Only
// outside of the namespaces it can be seen whose the ones above them are.
func ownPlaces(p layer.Paths) error {
	for _, dir := range []string{p.GraphRoot, p.RunRoot} {
		if err := userns.Private(dir); err != nil {
			return err
		}
	}
	return nil
}

// withStore opens the store inside the namespaces for f.
func (a *app) withStore(cmd *cobra.Command, foreground bool, f func(ctx context.Context, s *layer.Store, p layer.Paths, d dirs) error) error {
	d, err := a.dirs()
	if err != nil {
		return err
	}
	if !userns.Inside(a.getenv) {
		p, err := a.storePaths()
		if err == nil {
			err = ownPlaces(p)
		}
		if err != nil {
			return err
		}
	}
	if inside, err := a.inside(cmd, foreground); err != nil || !inside {
		return err
	}
	p, err := a.storePaths()
	if err != nil {
		return err
	}
	s, err := a.openStore(cmd.Context(), p, d)
	if err != nil {
		return err
	}
	err = f(cmd.Context(), s, p, d)
	return errors.Join(err, engine.MarkDamaged(s, err), s.Close())
}

// hidden tells of which builds nothing is shown to the caller.
func (a *app) hidden(s *layer.Store) func(buildID string) bool {
	b := a.builds(layer.Paths{GraphRoot: s.GraphRoot()})
	return func(id string) bool { return !a.foreign && b.Foreign(id, a.owner()) }
}

// storePaths are the directories of the store, which is podman's too.
func (a *app) storePaths() (layer.Paths, error) {
	return layer.PodmanPaths(a.getenv, a.account().UID)
}
