// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/userns"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/xdg"
)

func (a *app) registry(store layer.Paths) registry.Client {
	r := registry.Client{Env: a.getenv, UID: a.account().UID, Store: store, UserAgent: "carosbuild/" + buildVersion()}
	if d, err := a.dirs(); err == nil { // else the system's directory for temporary files
		r.Scratch = d.layers().Dir
	}
	return r
}

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
	kind, err := a.shut(p, d)
	if err != nil {
		return nil, err
	}
	return layer.Open(ctx, layer.Options{GraphRoot: p.GraphRoot, RunRoot: p.RunRoot, Holder: a.holder(), Snapshots: kind})
}

// shut sees to it that the store can be where it is to be, and keeps what steps have left in the store and in caches from having any
// effect outside of steps: for other accounts, and in this namespace.
func (a *app) shut(p layer.Paths, d dirs) (layer.Kind, error) {
	if err := ownPlaces(p); err != nil {
		return "", err
	}
	kind, err := a.settle(p)
	if err != nil {
		return "", err
	}
	for _, dir := range []string{p.GraphRoot, d.cache, d.state} {
		if err := userns.Confine(dir); err != nil {
			return "", err
		}
	}
	return kind, nil
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
		p, err := layer.PodmanPaths(a.getenv, a.account().UID)
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
	p, err := layer.PodmanPaths(a.getenv, a.account().UID)
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

// transfers shows the progress of transfers, and what they wait for.
func (a *app) transfers(view display) func(oci.Event) {
	var mu sync.Mutex
	type sum struct{ done, total int64 }
	seen := map[string]map[string]sum{}
	return func(e oci.Event) {
		if e.Text != "" {
			view.show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: e.Text})
		}
		if e.Done < 0 || e.Total <= 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if seen[e.Kind] == nil {
			seen[e.Kind] = map[string]sum{}
		}
		seen[e.Kind][e.Digest] = sum{e.Done, e.Total}
		var all sum
		for _, x := range seen[e.Kind] {
			all.done += x.done
			all.total += x.total
		}
		view.show(progress.Event{Time: time.Now(), Kind: progress.Progress, Text: e.Kind + " layers", Done: all.done, Total: all.total})
	}
}

func pushOptions(d dirs, compression string) (oci.PushOptions, error) {
	c := oci.Compression(compression)
	if c != oci.Gzip && c != oci.Zstd {
		return oci.PushOptions{}, usagef("--compression %q: want gzip or zstd", compression)
	}
	return oci.PushOptions{Cache: d.blobs(), Compression: c}, nil
}

func pushCommand(a *app) *cobra.Command {
	var compression string
	cmd := &cobra.Command{
		ValidArgsFunction: a.completeArgs(stageArg, noArg),
		Use:               "push BUILDID[:STAGE] REGISTRY/REPOSITORY[:TAG]",
		Short:             "Push the image of a stage to a registry",
		Example:           "  carosbuild push 2026-11-23-101500-me:020-caros registry.example.org/caros/base:1",
		Args:              exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkDestination(args[1]); err != nil {
				return err
			}
			return a.transfer(cmd, args[0], compression, func(ctx context.Context, s *layer.Store, r registry.Client, image string, o oci.PushOptions) error {
				h, err := r.Push(ctx, s, image, args[1], o)
				if err == nil {
					_, err = fmt.Fprintf(a.stdout, "%s@%s\n", strings.TrimPrefix(args[1], "docker://"), h)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&compression, "compression", string(oci.Gzip), "of the layers: gzip or zstd")
	a.foreignFlag(cmd)
	return cmd
}

// checkDestination refuses what would go to a public registry for want of a name.
func checkDestination(to string) error {
	name := strings.TrimPrefix(to, "docker://")
	registry, repository, _ := strings.Cut(name, "/")
	switch {
	case strings.HasPrefix(name, "https://"), strings.HasPrefix(name, "http://"):
		return usagef("push to %q: leave out the %s", to, name[:strings.Index(name, "//")+2])
	case repository == "":
		return usagef("push to %q: that is a registry, or a repository, alone: want REGISTRY/REPOSITORY[:TAG]", to)
	case !strings.ContainsAny(registry, ".:") && registry != "localhost":
		return usagef("push to %q: that names no registry; docker.io/%s is the public one", to, name)
	}
	return nil
}

func exportCommand(a *app) *cobra.Command {
	var to, compression string
	cmd := &cobra.Command{
		ValidArgsFunction: a.completeArgs(stageArg, noArg),
		Use:               "export BUILDID[:STAGE] --to oci:DIR[:TAG]|docker-archive:FILE[:NAME]",
		Short:             "Write the image of a stage to a directory or an archive",
		Example:           "  carosbuild export 2026-11-23-101500-me:020-caros --to oci:out",
		Args:              exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.HasPrefix(to, "oci:") && !strings.HasPrefix(to, "docker-archive:") {
				return usagef("--to %q: want oci:DIR[:TAG] or docker-archive:FILE[:NAME]", to)
			}
			return a.transfer(cmd, args[0], compression, func(ctx context.Context, s *layer.Store, r registry.Client, image string, o oci.PushOptions) error {
				return oci.Export(ctx, s, image, to, r.Transfer, o)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "where to: oci:DIR[:TAG] or docker-archive:FILE[:NAME]")
	cmd.Flags().StringVar(&compression, "compression", string(oci.Gzip), "of the layers of an OCI layout: gzip or zstd")
	a.foreignFlag(cmd)
	return cmd
}

func (a *app) transfer(cmd *cobra.Command, name, compression string, f func(context.Context, *layer.Store, registry.Client, string, oci.PushOptions) error) error {
	return a.withStore(cmd, false, func(ctx context.Context, s *layer.Store, p layer.Paths, d dirs) error {
		image, err := a.stageImage(s, false, name)
		if err != nil {
			return err
		}
		o, err := pushOptions(d, compression)
		if err != nil {
			return err
		}
		view, err := a.newDisplay()
		if err != nil {
			return err
		}
		defer view.close()
		r := a.registry(p)
		r.Events = a.transfers(view)
		return f(ctx, s, r, image, o)
	})
}

// exactly is cobra.ExactArgs as a mistake of usage.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef("usage: %s", strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		}
		return nil
	}
}
