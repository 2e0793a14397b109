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
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/userns"
)

// resumption is the build that is gone on with.
type resumption struct {
	id      string
	skip    bool // the step that failed counts as done
	command *history.Command
	report  *history.Report // nil where the build was killed
	plan    *plan.Plan      // likewise
}

// NewResume is "carosbuild resume".
func NewResume(a *cli.App) *cobra.Command {
	c := newBuild(a)
	r := &resumption{}
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
	f.BoolVar(&r.skip, "skip", false, "count the step that failed as done, with what it has left")
	for _, name := range []string{"new-build-id", "no-cache", "dry-run", "json", "list", "list-bids", "checkout", "update"} {
		f.Lookup(name).Hidden = true
	}
	return cmd
}

// notResumed are options that are not those of the failed build, and not kept: what is
// shown, what would run steps once more, and what a terminal is needed for.
func notResumed() []string {
	return []string{"progress", "new-build-id", "no-cache", "update", "on-failure", "skip", "dry-run", "json", "list", "list-bids", "checkout", "help", "version"}
}

// readFailed reads what the failed build has left, and sets the options.
func (c *buildCommand) readFailed(cmd *cobra.Command, args []string) error {
	for _, name := range []string{"new-build-id", "no-cache", "dry-run", "json", "list", "list-bids", "checkout", "update"} {
		if cmd.Flags().Changed(name) {
			return cli.Usagef("--%s makes no sense for a build that is gone on with", name)
		}
	}
	d, err := c.Dirs()
	if err != nil {
		return err
	}
	r := c.resumed
	if len(args) > 0 {
		r.id, args = args[0], args[1:]
	} else if r.id, err = history.LastCommand(d.Logs()); err != nil || r.id == "" {
		return errors.Join(err, cli.Usagef("there is no build to go on with"))
	}
	dir := filepath.Join(d.Logs(), filepath.Base(r.id))
	if err := r.read(dir); err != nil {
		return err
	}
	if runs(dir) {
		return cli.Usagef("build %s is still running", r.id)
	}
	if err := r.check(cmd); err != nil {
		return err
	}
	if args, err = absolute(args); err != nil {
		return err
	}
	if err := os.Chdir(r.command.Dir); err != nil {
		return cli.Usagef("the folder of build %s cannot be used: %w", r.id, err)
	}
	if e := r.command.Epoch; e != nil && c.Getenv("SOURCE_DATE_EPOCH") == "" {
		if err := os.Setenv("SOURCE_DATE_EPOCH", fmt.Sprint(*e)); err != nil {
			return err
		}
	}
	return c.applyCommand(cmd, r.command, args)
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

// read reads the files beside the logs of the build.
func (r *resumption) read(dir string) (err error) {
	r.command, err = history.ReadCommand(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return cli.Usagef("there is no build %s to go on with: carosbuild images lists builds; those of older versions of carosbuild, and of other accounts, cannot be gone on with", r.id)
	}
	if err != nil {
		return err
	}
	if r.report, err = history.ReadReport(dir); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err != nil {
		return err
	}
	if r.report != nil && r.report.End.Before(r.command.Started) { // of an earlier run of the same id
		r.report = nil
	}
	if r.plan, err = history.ReadPlan(dir); errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

// check finds out whether there is something to go on with.
func (r *resumption) check(cmd *cobra.Command) error {
	switch {
	case r.report != nil && r.report.Status == history.Done:
		return cli.Usagef("build %s has not failed: there is nothing to go on with", r.id)
	case r.skip && (r.report == nil || r.report.Failed == nil || r.plan == nil):
		return cli.Usagef("build %s was not ended by a step that failed: leave out --skip", r.id)
	case r.skip && r.report.Failed.Image == "":
		return cli.Usagef("the step that failed has left no half-done stage to go on from: leave out --skip")
	}
	for _, name := range r.command.Withheld {
		if !cmd.Flags().Changed(name) {
			return cli.Usagef("build %s had --%s with a password, which is not kept: give the option again", r.id, name)
		}
	}
	return nil
}

// applyCommand sets the options of a build that were not given now.
func (c *buildCommand) applyCommand(cmd *cobra.Command, of *history.Command, files []string) error {
	f := cmd.Flags()
	for name, values := range of.Options {
		flag := f.Lookup(name)
		if flag == nil || slices.Contains(notResumed(), name) {
			return cli.Usagef("the build had the option --%s, which this version of carosbuild does not have", name)
		}
		if flag.Changed {
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
	c.buildID = c.resumed.id
	return c.CheckSandbox()
}

// skipSteps has the steps of the plan that are skipped count as done: those that were
// before, and the one that has failed now.
func (c *buildCommand) skipSteps(j *buildJob) error {
	r := c.resumed
	if r == nil {
		return nil
	}
	all := r.command.Skipped
	if r.skip {
		s, err := r.failedStep(j)
		if err != nil {
			return err
		}
		all = append(slices.Clone(all), s)
	}
	for i, s := range all {
		if j.plan.Before(s.Stage, s.Step) != s.Before || j.plan.Job(s.Stage) == nil || s.Step > len(j.plan.Job(s.Stage).Steps) {
			if r.skip && i == len(all)-1 {
				return cli.Usagef("what comes before the step that failed has changed since: without --skip, it runs again")
			}
			c.Warnf("step %d of stage %s is not skipped any more: what comes before it has changed", s.Step, s.Stage)
			continue
		}
		changed, err := j.plan.Skip(s.Stage, s.Step, s.Image)
		if err != nil {
			return err
		}
		j.skipped = append(j.skipped, s)
		for _, stage := range changed {
			if !slices.Contains(j.info.Skipped, stage) {
				j.info.Skipped = append(j.info.Skipped, stage)
			}
		}
	}
	return nil
}

// failedStep is the step that has failed, with the half-done stage as it is now.
func (r *resumption) failedStep(j *buildJob) (history.SkippedStep, error) {
	f := r.report.Failed
	id, err := j.store.ImageID(history.FailureName(r.id, f.Stage))
	if err != nil {
		return history.SkippedStep{}, cli.Usagef("the half-done stage %s is gone: leave out --skip", f.Image)
	}
	return history.SkippedStep{Stage: f.Stage, Step: f.Step, Image: id, Before: r.plan.Before(f.Stage, f.Step), What: fmt.Sprintf("exit status %d", f.Status)}, nil
}
