// SPDX-License-Identifier: MPL-2.0

package localstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/owner"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/userns"
	"github.com/carosio/carosbuild/pkg/xdg"
)

// Open opens the store. containers/storage would make a directory of its
// own below /tmp where XDG_RUNTIME_DIR is of no use, as in most CI jobs.
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
	kind, err := shut(a, p, d)
	if err != nil {
		return nil, err
	}
	return layer.Open(ctx, layer.Options{GraphRoot: p.GraphRoot, RunRoot: p.RunRoot, Holder: a.Holder(), Snapshots: kind, Owners: storeOwners(a)})
}

// shut sees to it that the store can be where it is to be, and keeps what steps have left in the store and in caches from having any
// effect outside of steps: for other accounts, and in this namespace.
func shut(a *cli.App, p layer.Paths, d cli.Dirs) (layer.Kind, error) {
	if err := OwnPlaces(p); err != nil {
		return "", err
	}
	kind, err := settle(a, p)
	if err == nil {
		err = checkApart(a, p)
	}
	if err != nil {
		return "", err
	}
	if _, r, ok := rung.All().Chosen(a.Getenv); ok && r.How == userns.Plain {
		return kind, nil // without mounts; the directories are the superuser's alone
	}
	for _, dir := range []string{p.GraphRoot, d.Cache, d.State} {
		if err := userns.Confine(dir); err != nil {
			return "", err
		}
	}
	return kind, nil
}

// OwnPlaces takes the store's directories out of reach of other accounts. Only
// outside of the namespaces it can be seen whose the ones above them are.
func OwnPlaces(p layer.Paths) error {
	for _, dir := range []string{p.GraphRoot, p.RunRoot} {
		if err := userns.Private(dir); err != nil {
			return err
		}
	}
	return nil
}

// With opens the store inside the namespaces for f.
func With(a *cli.App, cmd *cobra.Command, foreground bool, f func(ctx context.Context, s *layer.Store, p layer.Paths, d cli.Dirs) error) error {
	d, err := a.Dirs()
	if err != nil {
		return err
	}
	if !userns.Inside(a.Getenv) {
		p, err := Paths(a)
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
	p, err := Paths(a)
	if err != nil {
		return err
	}
	s, err := Open(cmd.Context(), a, p, d)
	if err != nil {
		return err
	}
	err = f(cmd.Context(), s, p, d)
	return errors.Join(err, engine.MarkDamaged(s, err), s.Close())
}

// Hidden tells of which builds nothing is shown to the caller.
func Hidden(a *cli.App, s *layer.Store) func(buildID string) bool {
	b := Builds(layer.Paths{GraphRoot: s.GraphRoot()})
	return func(id string) bool { return !a.Foreign && b.Foreign(id, a.Owner()) }
}

// Paths are the directories of the store, which is podman's too.
func Paths(a *cli.App) (layer.Paths, error) {
	p, err := layer.PodmanPaths(a.Getenv, a.Account().UID)
	if r, ferr := rung.All().Find(a.Sandbox); err == nil && ferr == nil && r.Apart {
		p.GraphRoot, p.RunRoot = p.GraphRoot+"-"+r.Name, p.RunRoot+"-"+r.Name
	}
	return p, err
}

// storeOwners give the files of the store their owners.
func storeOwners(a *cli.App) owner.Policy {
	_, r, _ := rung.All().Chosen(a.Getenv)
	return r.Owners
}

// apartNote is a file of a store that is of use to one rung alone, with the name of that.
const apartNote = "carosbuild-sandbox"

// checkApart refuses the store of another rung: it would show other owners than its layers
// have.
func checkApart(a *cli.App, p layer.Paths) error {
	_, r, ok := rung.All().Chosen(a.Getenv)
	if !ok {
		return nil
	}
	file, want := filepath.Join(p.GraphRoot, apartNote), ""
	if r.Apart {
		want = r.Name
	}
	is, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if string(is) == want {
		return nil
	}
	if _, err := os.Lstat(filepath.Join(p.GraphRoot, "overlay-layers")); errors.Is(err, fs.ErrNotExist) && len(is) == 0 {
		return os.WriteFile(file, []byte(want), 0o600)
	}
	have := cmp.Or(string(is), "others")
	return &remedy.Error{
		Tried: fmt.Sprintf("use the store %s in sandbox %s: its layers were made in sandbox %s, and have owners that only that one knows", p.GraphRoot, r.Name, have),
		Cure:  "--sandbox " + cmp.Or(want, string(is)) + ", or a store of its own: XDG_DATA_HOME=DIR",
	}
}
