// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/debian"
)

// start has the planned build done inside the namespaces, where it is not done yet,
// and boots the disk if that is asked for.
func (c *buildCommand) start(cmd *cobra.Command, j *job, view display) error {
	if err := c.checkOwner(j.store, j.buildID); err != nil {
		return err
	}
	if len(j.disks) == 0 && c.buildID == "" && c.successTag == "" && j.plan.Complete() && !c.noCache { // outside of the namespaces: it is over in no time
		if names, ok := c.storedNames(j); ok {
			return c.upToDate(j, names)
		}
	}
	if err := c.checkSpace(j); err != nil {
		return err
	}
	if firstBuild(j.store) {
		if note := c.podmanNote(j.store); note != "" {
			view.show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: note})
		}
	}
	if err := ownPlaces(j.store); err != nil {
		return err
	}
	c.know(j)
	data, err := c.handOver(j)
	if err != nil {
		return err
	}
	if err := c.enterWith(cmd, data); err != nil {
		return err
	}
	return c.verifyOptions.boot(cmd.Context(), j.disks)
}

// resume does what was handed over, inside the namespaces. It is false outside of
// them.
func (c *buildCommand) resume(ctx context.Context) (bool, error) {
	j, err := c.handed()
	if err != nil || j == nil {
		return false, err
	}
	if c.dryRun {
		return true, c.showHanded(ctx, j)
	}
	view, err := c.newDisplay()
	if err != nil {
		return true, err
	}
	defer view.close()
	return true, c.build(ctx, j, view)
}

// storedNames are the names of the targets' images, if all of them are still in the
// store.
func (a *app) storedNames(j *job) ([]string, bool) {
	images, err := j.store.Images()
	if err != nil {
		return nil, false
	}
	return j.dirs.built().Targets(j.plan, images, func(id, image string) bool {
		return j.store.ConfigWhole(image) && (a.foreign || !a.builds(j.store).Foreign(id, a.owner())) // it gets names that its owner sees
	})
}

// upToDate reports that there is nothing to do.
func (a *app) upToDate(j *job, names []string) error {
	for _, n := range names {
		fmt.Fprintln(a.stdout, n)
		id, _, _ := strings.Cut(n, ":")
		if err := a.builds(j.store).Use(id, time.Now()); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.stderr, "nothing to do: all %s of %s are stored\n", plural(j.plan.Steps(), "step"), plural(len(j.plan.Stages), "stage"))
	return nil
}

// checkSpace finds out whether there is room for what the build is known to take,
// before it takes anything.
func (c *buildCommand) checkSpace(j *job) error {
	f := &debian.Fetcher{Cache: j.dirs.packages()}
	forecast := j.dirs.history().Predict(c.historyName(), j.plan, f, j.dirs.logs())
	if layer.CheckPlace(j.store.GraphRoot) != nil { // it will be in memory
		forecast.Layers = 0
	}
	claims := forecast.Claims(j.store.GraphRoot, j.dirs.packages())
	for _, p := range j.disks {
		claims = append(claims, forecast.OutputClaims(p.disk, p.outs)...)
	}
	err := disk.CheckSpace(claims)
	if err != nil {
		return &remedy.Error{Tried: err.Error(), Cure: "make room (carosbuild prune removes old builds), or have the store, XDG_CACHE_HOME or the output on another file system"}
	}
	return nil
}

// know fills in what the job knows before the build.
func (c *buildCommand) know(j *job) {
	var written []*decl.Disk
	if len(c.out) > 0 {
		written = disksOf(j.disks)
	}
	j.info = history.BuildInfo{Owner: c.owner(), Declaration: c.declNames()}
	for _, k := range written {
		j.info.Disks = append(j.info.Disks, k.ID)
	}
	j.info.Note(j.decl, written, j.plan)
	j.report = c.knownReport(j)
	if c.successTag != "" {
		j.tagged = successStage(j.disks, j.plan.Targets)
	}
}

// checkOwner keeps a build from taking the names of somebody else's.
func (a *app) checkOwner(p layer.Paths, buildID string) error {
	info, ok := a.builds(p).Read(buildID)
	if !ok || info.Owner == a.owner() || a.foreign {
		return nil
	}
	return usagef("build id %s is %s's: choose another one, or take it with --foreign", buildID, info.Owner)
}

// records have what steps have made.
type records = layer.Records

func (j *job) openRecords() {
	j.records = layer.OpenRecords(layer.RecordsDir(j.store.GraphRoot), j.store.GraphRoot)
}
