// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// endOptions say what becomes of stages at the end of a build, beside the store.
type endOptions struct {
	push       []string // templates of references, for stages that were asked for
	pushFailed []string // the same for the half-done stage
	onFailure  string   // "" or openShell
}

// openShell is what may be done when a step fails.
const openShell = "shell"

// add defines the flags.
func (o *endOptions) add(f *pflag.FlagSet) {
	f.StringArrayVar(&o.push, "push", nil, "push the stages that were asked for there: REGISTRY/REPOSITORY[:TAG] or oci:DIR[:TAG], in which {stage}, {build} and {date} are filled in; may be repeated")
	f.StringArrayVar(&o.pushFailed, "push-failed", nil, "the same for the half-done stage of a failed step, for carosbuild shell elsewhere; without a tag it is {build}-{stage}-failure")
	f.StringVar(&o.onFailure, "on-failure", "", "when a step fails: shell opens a shell in it, on a terminal, and keeps what is changed for carosbuild resume")
}

// pushNames are what is filled in to name a stage.
func pushNames(stage, build string, now time.Time) map[string]string {
	return map[string]string{"stage": stage, "build": build, "date": now.UTC().Format(time.DateOnly)}
}

// mostTag is how long a tag may be (distribution-spec, "Pulling manifests").
const mostTag = 128

// pushTarget fills a template in.
func pushTarget(template string, names map[string]string) (string, error) {
	to, err := oci.Fill(template, names)
	if err == nil {
		err = registry.CheckTarget(to)
	}
	return to, err
}

// failedTarget is pushTarget for a half-done stage, which gets a tag of its own: it is
// not to be taken for a finished one.
func failedTarget(template string, names map[string]string) (string, error) {
	if !oci.Tagged(template) {
		tag := names["build"] + "-" + names["stage"] + "-failure"
		template += ":" + tag[max(0, len(tag)-mostTag):]
	}
	return pushTarget(template, names)
}

// checkEnd finds mistakes in the flags, before anything runs.
func (c *buildCommand) checkEnd() error {
	if c.onFailure != "" && c.onFailure != openShell {
		return cli.Usagef("--on-failure %q: want shell", c.onFailure)
	}
	if c.onFailure != "" && !c.dryRun && !c.terminal() {
		return cli.Usagef("--on-failure=shell needs a terminal: standard input and output are to be one")
	}
	if c.forget && (len(c.pushFailed) > 0 || c.onFailure != "") {
		return cli.Usagef("--skip-failure-commit keeps no half-done stage: leave it out with --push-failed and --on-failure")
	}
	return nil
}

// checkPushes finds out whether all stages of a plan can be named by the templates.
func (c *buildCommand) checkPushes(j *buildJob) error {
	now := time.Now()
	for _, template := range c.push {
		seen := map[string]string{}
		for _, stage := range c.resultStages(j) {
			to, err := pushTarget(template, pushNames(stage, j.buildID, now))
			if err != nil {
				return cli.Usagef("--push: %w", err)
			}
			if other, twice := seen[to]; twice {
				return cli.Usagef("--push %q: stages %s and %s get the same name: put {stage} into it", template, other, stage)
			}
			seen[to] = stage
		}
	}
	for _, template := range c.pushFailed {
		for i := range j.plan.Stages {
			if _, err := failedTarget(template, pushNames(j.plan.Stages[i].ID, j.buildID, now)); err != nil {
				return cli.Usagef("--push-failed: %w", err)
			}
		}
	}
	return nil
}

// resultStages are the stages that were asked for: not those that GRUB's core images
// come from.
func (c *buildCommand) resultStages(j *buildJob) []string {
	if len(c.wanted) > 0 {
		return j.plan.Targets
	}
	return diskcmd.ResultStages(j.plan.Targets, diskcmd.DisksOf(j.disks))
}
