// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/xdg"
)

// Open opens the store. If XDG_RUNTIME_DIR is not usable, as in most CI jobs,
// containers/storage would make a directory of its own below /tmp.
func Open(ctx context.Context, a *cli.App, p layer.Paths, d cli.Dirs) (*layer.Store, error) {
	if xdg.RuntimeDir(a.Getenv) == "" {
		run := filepath.Join(d.State, "run")
		if err := os.MkdirAll(run, 0o700); err != nil {
			return nil, err
		}
		if err := os.Setenv("XDG_RUNTIME_DIR", run); err != nil {
			return nil, err
		}
	}
	if _, r, ok := rung.All().Chosen(a.Getenv); ok && r.Prepare != nil {
		if err := r.Prepare(); err != nil {
			return nil, err
		}
	}
	kind, err := shut(ctx, a, p, d)
	if err != nil {
		return nil, err
	}
	r := a.Rung(ctx)
	waiting := func(by string) {
		if a.Progress != "quiet" {
			fmt.Fprintf(a.Stderr, "note: the store is in use by %s: waiting for it\n", by)
		}
	}
	return layer.Open(ctx, layer.Options{GraphRoot: p.GraphRoot, RunRoot: p.RunRoot, Holder: a.Holder(), Waiting: waiting, Snapshots: kind, Owners: r.Store.Owners, NoMounts: r.How == userns.Plain})
}

// shut ensures that the store can be in its place, and that files which steps have left in the
// store and in caches have no effect outside steps: neither for other accounts nor in this
// namespace.
func shut(ctx context.Context, a *cli.App, p layer.Paths, d cli.Dirs) (snapshot.Kind, error) {
	if err := OwnPlaces(p); err != nil {
		return "", err
	}
	kind, err := settle(ctx, a, p)
	if err != nil {
		return "", err
	}
	if _, r, ok := rung.All().Chosen(a.Getenv); ok && r.How == userns.Plain {
		return kind, nil // no mounts; the directories are accessible to the superuser alone
	}
	for _, dir := range []string{p.GraphRoot, d.Cache, d.State} {
		if err := userns.Confine(dir); err != nil {
			return "", err
		}
	}
	return kind, nil
}

// OwnPlaces makes the store's directories inaccessible to other accounts. Who owns
// the directories above them can only be seen outside the namespaces.
func OwnPlaces(p layer.Paths) error {
	for _, dir := range []string{p.GraphRoot, p.RunRoot} {
		err := userns.Private(dir)
		if host, ok := errors.AsType[*remedy.Error](err); ok {
			host.Cure = cli.HomeCure
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// With opens the store inside the namespaces and calls f with it.
func With(a *cli.App, cmd *cobra.Command, foreground bool, f func(ctx context.Context, s *layer.Store, p layer.Paths, d cli.Dirs) error) error {
	d, err := a.Dirs()
	if err != nil {
		return err
	}
	if !userns.Inside(a.Getenv) {
		p, err := Paths(cmd.Context(), a)
		if err == nil {
			err = OwnPlaces(p)
		}
		if err != nil {
			return err
		}
	}
	if inside, err := a.Inside(cmd, foreground); err != nil || !inside {
		return err
	}
	p, err := Paths(cmd.Context(), a)
	if err != nil {
		return err
	}
	s, err := Open(cmd.Context(), a, p, d)
	if err != nil {
		return err
	}
	err = f(cmd.Context(), s, p, d)
	return Full(p, d, errors.Join(err, engine.MarkDamaged(s, err), s.Close()))
}

// Hidden says which builds are not shown to the caller.
func Hidden(a *cli.App, s *layer.Store) func(buildID string) bool {
	b := Builds(layer.Paths{GraphRoot: s.GraphRoot()})
	return func(id string) bool { return !a.Foreign && b.Foreign(id, a.Owner()) }
}

// Paths are the directories of the store, which is also podman's unless
// CAROSBUILD_HOME is set.
func Paths(ctx context.Context, a *cli.App) (layer.Paths, error) {
	p, shared, err := usual(a)
	if err != nil || !shared {
		return p, err
	}
	return ownersApart(ctx, a, p), nil
}

// usual are the directories for rungs whose store can be shared with others. Shared is
// false if the store can only be read.
func usual(a *cli.App) (p layer.Paths, shared bool, err error) {
	home, err := a.Home()
	if err != nil {
		return layer.Paths{}, false, err
	}
	if home != "" {
		return below(home), true, nil
	}
	p, err = layer.PodmanPaths(a.Getenv, a.Account().UID)
	if dir := a.Scratch(); dir != "" {
		if _, serr := os.Stat(p.GraphRoot); err != nil || serr != nil { // there is none to read
			return below(dir), false, nil
		}
	}
	if errors.Is(err, layer.ErrNoHome) {
		err = &remedy.Error{Tried: err.Error(), Cure: cli.HomeCure}
	}
	return p, err == nil, err
}

// ownersApart is the place of the store in the rung that is chosen. If the files of a
// store do not have the owners that its layers state, neither podman nor another rung can
// use it.
func ownersApart(ctx context.Context, a *cli.App, p layer.Paths) layer.Paths {
	suffix := a.Rung(ctx).Store.Suffix
	p.GraphRoot, p.RunRoot = p.GraphRoot+suffix, p.RunRoot+suffix
	return p
}

// below is a store that is not shared.
func below(dir string) layer.Paths {
	return layer.Paths{GraphRoot: filepath.Join(dir, "storage"), RunRoot: filepath.Join(dir, "run"), Driver: "overlay"}
}
