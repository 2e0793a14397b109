// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/engine"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/snapshot"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/words"
)

// start has the planned build done inside the namespaces, where it is not done yet,
// and boots the disk if that is asked for.
func (c *buildCommand) start(cmd *cobra.Command, j *buildJob, view render.Display) error {
	if err := checkOwner(c.App, j.store, j.buildID); err != nil {
		return err
	}
	if len(j.disks) == 0 && c.buildID == "" && c.successTag == "" && j.plan.Complete() && !c.noCache && !c.writesCache() && len(c.push) == 0 { // outside of the namespaces: it is over in no time
		if names, ok := storedNames(c.App, j); ok {
			view.Close()
			return upToDate(c.App, j, names)
		}
	}
	if err := c.checkSpace(j); err != nil {
		return err
	}
	if localstore.FirstBuild(j.store) {
		if detail, cure := localstore.PodmanNote(c.App, j.store); detail != "" {
			view.Show(progress.Event{Time: time.Now(), Kind: progress.Note, Text: detail + "; remedy: " + cure})
		}
	}
	if err := localstore.OwnPlaces(j.store); err != nil {
		return err
	}
	c.know(j)
	var err error
	if j.command, err = c.commandOf(cmd, j); err != nil {
		return err
	}
	j.resumed = c.resumed != nil
	data, err := handOver(c.App, j)
	if err != nil {
		return err
	}
	view.Close() // the program inside has its own
	enter := c.EnterWith
	if c.onFailure == openShell {
		enter = c.EnterForeground
	}
	if err := enter(cmd, data); err != nil {
		return err
	}
	return c.VerifyOptions.Boot(cmd.Context(), j.disks)
}

// inside does what was handed over, inside the namespaces. It is false outside of
// them.
func (c *buildCommand) inside(ctx context.Context, cmd *cobra.Command) (bool, error) {
	j, err := handed(ctx, c.App)
	if err != nil || j == nil {
		return false, err
	}
	if c.resumed != nil {
		c.resumed.ID = j.buildID
		if err := c.applyCommand(cmd, &j.command, nil); err != nil {
			return true, err
		}
		c.readOnly = len(j.skipped) > 0
	}
	if c.dryRun {
		return true, c.showHanded(ctx, j)
	}
	view, err := c.NewDisplay()
	if err != nil {
		return true, err
	}
	defer view.Close()
	return true, c.build(ctx, j, view)
}

// storedNames are the names of the targets' images, if all of them are still in the
// store.
func storedNames(a *cli.App, j *buildJob) ([]string, bool) {
	images, err := j.store.Images()
	if err != nil {
		return nil, false
	}
	return j.dirs.Built().Targets(j.plan, images, func(id, image string) bool {
		return j.store.ConfigWhole(image) && (a.Foreign || !localstore.Builds(j.store).Foreign(id, a.Owner())) // it gets names that its owner sees
	})
}

// upToDate reports that there is nothing to do.
func upToDate(a *cli.App, j *buildJob, names []string) error {
	for _, n := range names {
		fmt.Fprintln(a.Stdout, n)
		id, _, _ := strings.Cut(n, ":")
		if err := localstore.Builds(j.store).Use(id, time.Now()); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.Stderr, "nothing to do: all %s of %s are cached\n", words.Count(j.plan.Steps(), "step"), words.Count(len(j.plan.Stages), "stage"))
	return nil
}

// checkSpace finds out whether there is room for what the build is known to take,
// before it takes anything.
func (c *buildCommand) checkSpace(j *buildJob) error {
	f := &debian.Fetcher{Cache: j.dirs.Packages()}
	forecast := j.dirs.History().Predict(c.historyName(), j.plan, f, j.dirs.Logs())
	if snapshot.CheckPlace(j.store.GraphRoot) != nil { // it will be in memory
		forecast.Layers = 0
	}
	claims := forecast.Claims(j.store.GraphRoot, j.dirs.Packages())
	for _, p := range j.disks {
		claims = append(claims, forecast.OutputClaims(p.Disk, p.Outs)...)
	}
	err := disk.CheckSpace(claims)
	if err != nil {
		return &remedy.Error{Tried: err.Error(), Cure: "make room (carosbuild prune removes old builds), or move the store, XDG_CACHE_HOME or the output to another file system"}
	}
	return nil
}

// know fills in what the job knows before the build.
func (c *buildCommand) know(j *buildJob) {
	var written []*decl.Disk
	if len(c.Out) > 0 {
		written = diskcmd.DisksOf(j.disks)
	}
	j.info = history.BuildInfo{Owner: c.Owner(), Declaration: c.declNames(), Skipped: j.info.Skipped}
	for _, k := range written {
		j.info.Disks = append(j.info.Disks, k.ID)
	}
	j.info.Note(j.decl, written, j.plan)
	j.report = knownReport(c.App, j)
	if c.successTag != "" {
		j.tagged = successStage(j.disks, j.plan.Targets)
	}
}

// checkOwner keeps a build from taking the names of another user's.
func checkOwner(a *cli.App, p layer.Paths, buildID string) error {
	info, ok := localstore.Builds(p).Read(buildID)
	if !ok || info.Owner == a.Owner() || a.Foreign {
		return nil
	}
	return cli.Usagef("build id %s belongs to %s: choose another id, or use this one with --foreign", buildID, info.Owner)
}

// openCache makes the cache of steps, which is the store's records.
func (j *buildJob) openCache() {
	j.cache = engine.Records{Of: layer.OpenRecords(layer.RecordsDir(j.store.GraphRoot), j.store.GraphRoot), Now: time.Now}
}
