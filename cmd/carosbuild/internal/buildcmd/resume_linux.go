// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/userns"
)

// NewResume is "carosbuild resume".
func NewResume(a *cli.App) *cobra.Command {
	c := newBuild(a)
	r := &history.Resumption{}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.BuildIDs, complete.Declarations),
		Use:               "resume [BUILDID [FILE...]]",
		Short:             "Go on with a build that has failed, at the step that failed or after it",
		Long: `Go on with a build that has failed, under its id: by default your last one.

The declaration, the folder and the options are those of the failed build. Options that are
given here count instead, and FILE is another declaration. Steps that are done are not run
again: the build goes on at the step that failed.

With --skip it goes on at the step after that one, with what the failed step has left, or
what was changed since in a shell (carosbuild shell --keep, or --on-failure=shell). What is
based on such a step is never taken for the result of another build.`,
		Example: `  carosbuild resume                       the last build, at the step that failed
  carosbuild resume --skip                the last build, at the step after
  carosbuild resume 2026-11-30-101500-me  that build`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.resumed = r
			if !userns.Inside(a.Getenv) { // there, the program outside has read all of it
				if err := c.readFailed(cmd, args); err != nil {
					return err
				}
			}
			return c.run(cmd)
		},
	}
	c.own = []string{"skip"}
	c.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&r.Skip, "skip", false, "count the step that failed as done, with what it has left")
	for _, name := range notToResume() {
		f.Lookup(name).Hidden = true
	}
	return cmd
}

// notToResume are options of a build that make no sense for one that is gone on with.
func notToResume() []string {
	return []string{"new-build-id", "no-cache", "update", "dry-run", "json", "list", "list-bids", "checkout"}
}

// notKept reports whether an option of a build is not one of the build that goes on with
// it: what is shown, what would run steps once more, and what a terminal is needed for.
func notKept(option string) bool {
	return slices.Contains(notToResume(), option) || slices.Contains([]string{"progress", "on-failure", "skip", "help", "version"}, option)
}

// forHonest reports whether an option gives results names that others go by: of a build
// with skipped steps they are not to have them, unless that is asked for.
func forHonest(option string) bool { return option == "push" || option == "success-tag" }

// readFailed reads what the failed build has left, and sets the options.
func (c *buildCommand) readFailed(cmd *cobra.Command, args []string) error {
	for _, name := range notToResume() {
		if cmd.Flags().Changed(name) {
			return cli.Usagef("--%s makes no sense for a build that is gone on with", name)
		}
	}
	d, err := c.Dirs()
	if err != nil {
		return err
	}
	id := ""
	if len(args) > 0 {
		id, args = args[0], args[1:]
	} else if id, err = history.LastCommand(d.Logs()); err != nil || id == "" {
		return errors.Join(err, cli.Usagef("there is no build to go on with"))
	}
	r, err := history.ReadResumption(d.Logs(), id)
	if errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("there is no build %s to go on with: carosbuild images lists builds; those of older versions of carosbuild, and of other accounts, cannot be gone on with", id)
	}
	if err != nil {
		return err
	}
	if history.Runs(filepath.Join(d.Logs(), id)) {
		return cli.Usagef("build %s is still running", id)
	}
	r.Skip = c.resumed.Skip
	c.resumed = r
	if err := r.Check(cmd.Flags().Changed); err != nil {
		return cli.Usage(err)
	}
	if args, err = absolute(args); err != nil {
		return err
	}
	if err := os.Chdir(r.Command.Dir); err != nil {
		return cli.Usagef("the folder of build %s cannot be used: %w", r.ID, err)
	}
	if e := r.Command.Epoch; e != nil && c.Getenv("SOURCE_DATE_EPOCH") == "" {
		if err := os.Setenv("SOURCE_DATE_EPOCH", fmt.Sprint(*e)); err != nil {
			return err
		}
	}
	return c.applyCommand(cmd, r.Command, args)
}

// absolute makes names of files independent of the folder.
func absolute(files []string) ([]string, error) {
	for i, f := range files {
		if _, err := os.Stat(f); err != nil {
			continue // a built-in one, or the error of who reads it
		}
		var err error
		if files[i], err = filepath.Abs(f); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// applyCommand sets the options of a build that were not given now.
func (c *buildCommand) applyCommand(cmd *cobra.Command, of *history.Command, files []string) error {
	f := cmd.Flags()
	skips := c.resumed.Skip || len(of.Skipped) > 0
	for name, values := range of.Options {
		flag := f.Lookup(name)
		if flag == nil || notKept(name) {
			return cli.Usagef("the build had the option --%s, which this version of carosbuild does not have", name)
		}
		if flag.Changed {
			continue
		}
		if skips && forHonest(name) {
			c.Warnf("--%s of the failed build is left out: it has skipped steps; give it again to have it all the same", name)
			continue
		}
		for _, v := range values {
			if err := f.Set(name, v); err != nil {
				return cli.Usagef("--%s: %w", name, err)
			}
		}
	}
	if c.declFiles = files; len(files) == 0 {
		c.declFiles = of.Files
	}
	c.buildID = c.resumed.ID
	return c.CheckSandbox()
}

// skipSteps has the steps of the plan that are skipped count as done.
func (c *buildCommand) skipSteps(j *buildJob) (err error) {
	if c.resumed == nil {
		return nil
	}
	j.skipped, j.info.Skipped, err = c.resumed.Apply(j.plan, j.store.ImageID, func(s history.SkippedStep) {
		c.Warnf("step %d of stage %s is not skipped any more: what comes before it has changed", s.Step, s.Stage)
	})
	if err != nil {
		return cli.Usage(err)
	}
	return nil
}
