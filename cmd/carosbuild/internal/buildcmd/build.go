// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/stepflags"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
)

// buildCommand is "carosbuild [build]": its flags, and what they lead to.
type buildCommand struct {
	planner
	runOptions
	limits stepflags.Limits
	cacheOptions
	endOptions
	viewOptions
	diskcmd.DiskFlags
	diskcmd.VerifyOptions
	redomatFlags
	resumed *history.Resumption // nil for a build of its own
}

// NewBuild is "carosbuild build", by another name too.
func NewBuild(a *cli.App, use string) *cobra.Command { return newBuild(a).command(use) }

func newBuild(a *cli.App) *buildCommand { return &buildCommand{planner: planner{App: a}} }

func (c *buildCommand) command(use string) *cobra.Command {
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(c.App, complete.Declarations),
		Use:               use,
		Short:             "Build the stages of a declaration, and a disk from them",
		Long:              "Build the stages of a declaration, and a disk from them.\n\n" + filesHelp,
		Args:              cobra.ArbitraryArgs,
		Example: `  carosbuild vmware.xml --out caros.vmdk      a disk; the ending picks its format
  carosbuild vmware.xml site.xml -t 050-site  stages only, with an overlay
  carosbuild vmware.xml --dry-run             what would run, and what is cached`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && cmd.Parent() == nil && cmd.Flags().NFlag() == 0 {
				return cmd.Help()
			}
			if cmd.Parent() == nil && len(args) > 0 {
				if err := cli.CommandError(cmd, args[0]); err != nil {
					return err
				}
			}
			c.declFiles = args
			return c.run(cmd)
		},
	}
	c.flags(cmd)
	return cmd
}

// flags are those of a build.
func (c *buildCommand) flags(cmd *cobra.Command) {
	c.planFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVarP(&c.Out, "out", "o", nil, "write the disk to this file, block device or pipe, - for standard output; may be repeated; {disk} stands for the disk's id; the ending picks the format: "+strings.Join(disk.Endings(), " "))
	f.StringVar(&c.Format, "format", "", "format of the disk, whatever the endings say: "+strings.Join(compose.Formats(), ", "))
	c.LevelFlag(f)
	f.BoolVarP(&c.dryRun, "dry-run", "n", false, "only show what would run")
	c.runOptions.add(f, c.Env("NETWORK", "auto"))
	c.certificates.Add(c.App, f)
	c.limits.Add(c.App, f)
	c.addWrite(f)
	c.endOptions.add(f)
	c.limits.AddOutput(c.App, f)
	c.VerifyOptions.Add(cmd, c.App)
	c.redomatFlags.add(f)
}

// planFlags are those that decide what a plan looks like.
func (c *buildCommand) planFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	c.planOptions.add(f)
	c.DiskFlags.Add(f)
	c.cacheOptions.add(f)
	f.BoolVar(&c.jsonPlan, "json", false, "print the plan as JSON (only with --dry-run)")
	c.ForeignFlag(cmd)
	c.OfflineFlag(f)
	c.VendorFlag(f)
	declfile.HiddenKasFlags(c.App, f)
	declfile.ConfineFlag(c.App, f)
}

// filesHelp says what may be given as FILE.
const filesHelp = "FILE is a declaration, or the PROJECT.yml of a kas project: carosbuild kas --help has more options for those."

// NewPlan is "carosbuild plan".
func NewPlan(a *cli.App) *cobra.Command {
	c := newBuild(a)
	c.dryRun, c.network = true, a.Env("NETWORK", "auto")
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Declarations),
		Use:               "plan FILE...", Short: "Show what would run and what is cached", Args: cobra.ArbitraryArgs,
		Long: "Show what would run and what is cached.\n\n" + filesHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.declFiles = args
			return c.run(cmd)
		},
	}
	c.planFlags(cmd)
	cmd.Flags().Lookup("json").Usage = "print the plan as JSON"
	readsCaches(cmd.Flags())
	return cmd
}

func (c *buildCommand) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	if entered, err := c.inside(ctx, cmd); entered || err != nil {
		return err
	}
	c.warnings()
	if done, err := c.listed(ctx); done {
		return err
	}
	if c.checkoutOnly {
		return c.checkout(ctx, ".")
	}
	id, err := c.checkFlags()
	if err != nil {
		return err
	}
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	j, err := c.plan(ctx, view)
	if err != nil {
		return err
	}
	j.buildID = id
	if err := c.VerifyOptions.Check(j.disks); err != nil {
		return err
	}
	if err := c.checkPushes(j); err != nil {
		return err
	}
	if err := c.refuseSteps(j, view); err != nil {
		return err
	}
	if c.dryRun {
		view.Close() // or it erases what is printed now
		j.past.Explain(c.historyName(), j.plan)
		return errors.Join(c.showPlan(cmd, j), j.lacking)
	}
	if j.lacking != nil {
		return j.lacking
	}
	return c.start(cmd, j, view)
}

// checkFlags finds mistakes in the flags by themselves, and returns the id that the
// build is to have.
func (c *buildCommand) checkFlags() (id string, err error) {
	if id = cli.CleanBuildID(c.buildID); id == "" {
		id = cli.DefaultBuildID(time.Now(), c.Owner())
	}
	if err := c.checkOptions(id); err != nil {
		return "", err
	}
	if err := stepflags.CheckNetwork(c.network); err != nil {
		return "", err
	}
	if err := c.checkCaches(); err != nil {
		return "", err
	}
	if err := c.checkEnd(); err != nil {
		return "", err
	}
	if !c.dryRun { // which a plan always is, without these flags
		if _, _, err := c.limits.Read(); err != nil {
			return "", err
		}
		if _, err := c.certificates.Read(c.Getenv); err != nil {
			return "", err
		}
	}
	return id, c.CheckOutputs(c.Verify)
}
