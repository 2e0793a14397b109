// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/words"
)

// vendorCommand is "carosbuild vendor".
type vendorCommand struct {
	*buildCommand
	to    string
	steps bool // run them, to see what apt fetches
}

// NewVendor is "carosbuild vendor".
func NewVendor(a *cli.App) *cobra.Command {
	c := &vendorCommand{buildCommand: newBuild(a)}
	c.noCache, c.forget, c.network, c.jobs = true, true, string(sandbox.AutoNetwork), runtime.NumCPU()
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Declarations),
		Use:               "vendor FILE... --to DIR",
		Short:             "Fetch all that a build needs into a folder, for a machine without a network",
		Long: `Fetch all that the stages of a declaration need into a folder: the packages and
signed indices of bootstraps, images, and commits of git repositories. A build
with --vendor DIR takes them from there and uses no network.

The folder has the versions of the lock file beside the declaration, which is
written if there is none (see carosbuild lock). Bring both to the other machine.`,
		Example: `  carosbuild vendor vmware.xml --to vmware.vendor
  carosbuild vmware.xml --vendor vmware.vendor --out caros.vmdk`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.declFiles = args
			return c.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "folder to write, which must not exist or be empty")
	f.BoolVar(&c.steps, "steps", false, "run all steps, and add the packages that apt in them fetches from the mirrors of the bootstraps")
	c.certificates.Add(c.App, f)
	c.limits.Add(c.App, f)
	declfile.RemoteFlag(f, &c.remotes)
	declfile.HiddenKasFlags(c.App, f)
	declfile.ConfineFlag(c.App, f)
	return cmd
}

func (c *vendorCommand) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if inside, err := c.inside(ctx, cmd); inside || err != nil {
		return err
	}
	if c.to == "" {
		return cli.Usagef("where to? name a folder with --to")
	}
	if err := freshdir.Check(c.to); err != nil {
		return cli.Usagef("--to: %w", err)
	}
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	j, lock, err := c.plan(ctx, view)
	if err != nil {
		view.Close()
		return err
	}
	got, err := offline.Collect(ctx, j.plan, c.to, func(debian string) (offline.Sources, error) {
		if err := c.beforehand(cmd, j, debian, view); err != nil {
			return offline.Sources{}, err
		}
		if view, err = c.NewDisplay(); err != nil { // that of the steps is closed
			return offline.Sources{}, err
		}
		return c.sources(j, view)
	})
	view.Close()
	if err != nil {
		return err
	}
	if lock != nil {
		path := declfile.LockPath(c.declFiles)
		if err := lock.Write(path); err != nil {
			return err
		}
		fmt.Fprintf(c.Stdout, "%s: %s\n", path, lockSummary(lock))
	}
	_, err = fmt.Fprintf(c.Stdout, "%s: %s, %s, %s, %s in %s\n", c.to, words.Count(got.Packages, "package"), words.Count(got.Images, "image"),
		words.Count(got.Commits, "commit"), bytesize.Format(got.Size), words.Count(got.Files, "file"))
	return err
}

// sources are where the folder's parts come from.
func (c *vendorCommand) sources(j *buildJob, view render.Display) (offline.Sources, error) {
	fetcher, host, err := fetcher(c.App, j.dirs, view)
	registry := c.Registry(j.store)
	registry.Events = c.Transfers(view)
	return offline.Sources{
		Packages: fetcher, Host: host, Git: c.GitCache(j.dirs, view), Find: registry.Find, Now: time.Now, Program: c.Version,
		Note: func(stage, text string) {
			view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Stage: stage, Text: text})
		},
	}, err
}

// plan plans all stages, with the versions of the lock file. A lock is to be written if it
// is not nil.
func (c *vendorCommand) plan(ctx context.Context, view render.Display) (*buildJob, *resolve.Lock, error) {
	if _, err := c.checkFlags(); err != nil {
		return nil, nil, err
	}
	j, err := c.loadJob(ctx, false)
	if err != nil {
		return nil, nil, err
	}
	var targets []string
	for _, s := range j.decl.Stages {
		targets = append(targets, s.ID)
	}
	if len(targets) == 0 {
		return nil, nil, cli.Usagef("the declaration has no stages")
	}
	old, err := c.readLock()
	if err != nil {
		return nil, nil, err
	}
	r, err := c.resolver(j, view, old)
	if err != nil {
		return nil, nil, err
	}
	r.Locked = old != nil // what is vendored is what the lock file says
	if j.resolved, err = r.Resolve(ctx, j.decl, targets); err != nil {
		return nil, nil, err
	}
	view.Show(progress.Event{Time: time.Now(), Kind: progress.ProgressEnd, Text: readIndices})
	j.resolved.Network = c.network
	j.openCache()
	j.buildID = cli.DefaultBuildID(time.Now(), c.Owner())
	if j.plan, err = plan.NewPlan(j.decl, targets, j.resolved.Facts); err == nil {
		err = c.checkStageNetworks(j.plan)
	}
	if err != nil || old != nil {
		return j, nil, err
	}
	lock, err := j.resolved.Lock(j.decl, targets)
	return j, lock, err
}
