// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/resolve"
)

// plan loads the declaration, resolves what it names and works out the steps.
func (c *buildCommand) plan(ctx context.Context, view render.Display) (*buildJob, error) {
	j, err := c.loadJob(ctx, c.dryRun)
	if err != nil {
		return nil, err
	}
	if !c.dryRun {
		if err := localstore.CheckPlace(c.App, j.store); err != nil {
			return nil, err
		}
	}
	targets, err := c.choose(ctx, j)
	if err != nil {
		return nil, err
	}
	if err := c.resolve(ctx, j, targets, view); err != nil {
		return nil, err
	}
	j.resolved.Network = c.network
	if j.plan, err = plan.NewPlan(j.decl, targets, j.resolved.Facts); err != nil {
		return nil, err
	}
	if err := c.checkStageNetworks(j.plan); err != nil {
		return nil, err
	}
	if err := c.skipSteps(j); err != nil {
		return nil, err
	}
	// Once more, now that the variables in paths are filled in.
	if err := diskcmd.CheckInputs(c.App, c.declFiles, j.disks, resolve.PlannedReads(j.plan)); err != nil {
		return nil, err
	}
	j.openCache()
	j.past = j.dirs.History()
	if err := j.plan.MarkCached(func(key string) (bool, error) { return j.cache.Has(ctx, key) }); err != nil {
		return nil, err
	}
	if c.dryRun || c.only || c.Offline { // otherwise the build asks
		if err := c.askCaches(ctx, j, view); err != nil {
			return nil, err
		}
	}
	j.lacking, err = c.lacking(ctx, j, view)
	return j, err
}

// choose finds the disks and the stages that are asked for, and where stages begin
// with an image that is stored.
func (c *buildCommand) choose(ctx context.Context, j *buildJob) (targets []string, err error) {
	c.appendLocalConf(j.decl)
	if j.disks, err = c.chooseDisks(j.decl); err != nil {
		return nil, err
	}
	if j.decl, j.disks, err = placeDisks(j.decl, j.disks); err != nil {
		return nil, err
	}
	warnOverlays(c.App, c.declFiles, j.disks)
	if targets, err = c.targets(j); err != nil {
		return nil, err
	}
	if c.successTag != "" && successStage(j.disks, targets) == "" {
		return nil, cli.Usagef("--success-tag: which stage? name one target of: %s", strings.Join(targets, ", "))
	}
	j.decl, j.started, err = c.enter(ctx, j.decl, targets)
	return targets, err
}

// resolve looks up what the stages name.
func (c *buildCommand) resolve(ctx context.Context, j *buildJob, targets []string, view render.Display) error {
	lock, err := c.readLock()
	if err != nil {
		return err
	}
	r, err := c.resolver(j, view, lock)
	if err != nil {
		return err
	}
	r.Partial = c.dryRun && !c.locked || c.Offline
	reads, err := r.Reads(j.decl, targets)
	if err != nil {
		return err
	}
	if err := diskcmd.CheckInputs(c.App, c.declFiles, j.disks, reads); err != nil {
		return err
	}
	if j.resolved, err = r.Resolve(ctx, j.decl, targets); err != nil {
		return err
	}
	view.Show(progress.Event{Time: time.Now(), Kind: progress.ProgressEnd, Text: readIndices})
	return c.warnLock(lock, j.resolved, j.decl, targets)
}

// chooseDisks are the disks that the flags ask for, none for stages only.
func (c *buildCommand) chooseDisks(d *decl.Declaration) ([]diskcmd.DiskOutputs, error) {
	if len(c.wanted) > 0 {
		if len(c.Out) > 0 {
			return nil, cli.Usagef("--target builds stages only and cannot be combined with --out")
		}
		return nil, nil
	}
	if len(c.Out) == 0 && len(c.Disks) == 0 && (!c.dryRun || len(d.Disks) != 1) {
		return nil, nil
	}
	if len(d.Disks) == 0 && len(c.Disks) == 0 {
		return nil, cli.Usagef("--out needs a disk, and the declaration has no <disk>%s", declfile.OverlayHint(d, c.overBuild))
	}
	return c.DiskFlags.Of(d)
}

// targets are the stages to build: those asked for, those of the disks, or
// all that no other stage needs.
func (o *planOptions) targets(j *buildJob) ([]string, error) {
	var wanted []string
	for _, id := range o.wanted {
		if !slices.ContainsFunc(j.decl.Stages, func(s *decl.Stage) bool { return s.ID == id }) {
			hint := history.HintStage(j.decl, id)
			if len(declfile.Projects(o.declFiles)) > 0 {
				hint += fmt.Sprintf("; -t names a stage; for another bitbake target: KAS_TARGET=%s", id)
			}
			return nil, cli.Usagef("no stage %q is declared%s", id, hint)
		}
		if !slices.Contains(wanted, id) {
			wanted = append(wanted, id)
		}
	}
	if len(wanted) > 0 {
		return wanted, nil
	}
	if len(j.disks) > 0 {
		return j.diskStages()
	}
	if len(j.decl.Stages) == 0 {
		return nil, cli.Usagef("the declaration has no stages")
	}
	return plan.DefaultTargets(j.decl), nil
}

// diskStages are the stages that the disks are made from. The job's declaration gets
// those that make GRUB's core images.
func (j *buildJob) diskStages() (all []string, err error) {
	for _, p := range j.disks {
		if err := compose.CheckMachine(p.Disk); err != nil { // before anything is built
			return nil, err
		}
		var ids []string
		if ids, j.decl, err = plan.DiskStages(j.decl, p.Disk); err != nil {
			return nil, err
		}
		for _, id := range ids {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all, nil
}
