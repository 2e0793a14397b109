// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
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
	"github.com/carosio/carosbuild/pkg/words"
)

// vendorCommand is "carosbuild vendor".
type vendorCommand struct {
	planner
	to string
}

// NewVendor is "carosbuild vendor".
func NewVendor(a *cli.App) *cobra.Command {
	c := &vendorCommand{planner: planner{App: a}}
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
			return c.run(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.to, "to", "", "folder to write, which must not exist or be empty")
	declfile.RemoteFlag(f, &c.remotes)
	declfile.HiddenKasFlags(c.App, f)
	declfile.ConfineFlag(c.App, f)
	return cmd
}

func (c *vendorCommand) run(ctx context.Context) error {
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
	defer view.Close()
	j, p, lock, err := c.plan(ctx, view)
	if err != nil {
		return err
	}
	note := func(stage, text string) {
		view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Stage: stage, Text: text})
	}
	fetcher, host, err := fetcher(c.App, j.dirs, view)
	if err != nil {
		return err
	}
	registry := c.Registry(j.store)
	registry.Events = c.Transfers(view)
	got, err := offline.Collect(ctx, offline.Sources{
		Packages: fetcher, Host: host, Git: c.GitCache(j.dirs, view), Find: registry.Find, Now: time.Now, Program: c.Version, Note: note,
	}, p, c.to)
	if err != nil {
		return err
	}
	view.Close()
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

// plan is the plan of all stages, with the versions of the lock file. A lock is to be
// written if it is not nil.
func (c *vendorCommand) plan(ctx context.Context, view render.Display) (*buildJob, *plan.Plan, *resolve.Lock, error) {
	j, err := c.loadJob(ctx, false)
	if err != nil {
		return nil, nil, nil, err
	}
	var targets []string
	for _, s := range j.decl.Stages {
		targets = append(targets, s.ID)
	}
	if len(targets) == 0 {
		return nil, nil, nil, cli.Usagef("the declaration has no stages")
	}
	old, err := c.readLock()
	if err != nil {
		return nil, nil, nil, err
	}
	r, err := c.resolver(j, view, old)
	if err != nil {
		return nil, nil, nil, err
	}
	r.Locked = old != nil // what is vendored is what the lock file says
	res, err := r.Resolve(ctx, j.decl, targets)
	if err != nil {
		return nil, nil, nil, err
	}
	view.Show(progress.Event{Time: time.Now(), Kind: progress.ProgressEnd, Text: readIndices})
	p, err := plan.NewPlan(j.decl, targets, res.Facts)
	if err != nil || old != nil {
		return j, p, nil, err
	}
	lock, err := res.Lock(j.decl, targets)
	return j, p, lock, err
}
