// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/plan"
)

// sources has the place of each stage from which the disks are made.
func (c *diskCommand) sources(ctx context.Context, disks []*decl.Disk) (map[string]string, error) {
	needs, err := needsOf(disks)
	if err != nil {
		return nil, err
	}
	id, whole, err := c.sourceBuild(ctx)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, d := range disks {
		out[d.Stage] = c.source
		if whole && d.Stage != c.source {
			out[d.Stage] = id + ":" + d.Stage
		}
	}
	if len(out) > 1 && !whole {
		return nil, cli.Usagef("the disks are made from different stages: name a build that has them, as BUILDID alone, or write one disk at a time")
	}
	if err := c.otherStages(disks, needs, out); err != nil {
		return nil, err
	}
	for _, n := range needs {
		if out[n] == "" && id != "" {
			out[n] = id + ":" + n
		}
	}
	if err := c.checkBuild(ctx, disks, needs, id, out); err != nil {
		return nil, err
	}
	return out, c.checkSources(disks, needs, out)
}

// checkBuild reports a stage that the build of SOURCE does not have, and the
// command that builds it.
func (c *diskCommand) checkBuild(ctx context.Context, disks []*decl.Disk, needs []string, id string, out map[string]string) error {
	if id == "" {
		return nil
	}
	stages, _, err := localstore.Stages(ctx, c.App)
	if err != nil {
		return err
	}
	for _, n := range needs {
		has := func(s history.StoredStage) bool { return s.BuildID == id && s.Stage == n }
		if out[n] == id+":"+n && n != disks[0].Stage && !slices.ContainsFunc(stages, has) {
			return c.lacks(idsOf(disks), n, id, localstore.BuildInfo(ctx, c.App, id).Declaration)
		}
	}
	return nil
}

// lacks is the error for a stage that a build of those declarations does not have.
func (c *diskCommand) lacks(disks, stage, id string, declared []string) error {
	files := slices.Clone(declared)
	for _, f := range c.declFiles {
		if !slices.Contains(files, filepath.Base(f)) {
			files = append(files, f)
		}
	}
	text := render.QuoteArgs(files)
	if len(declared) == 0 {
		text = strings.TrimSpace("FILE... " + text)
	}
	return cli.Misnamed(fmt.Errorf("disk %s takes files from stage %s, which build %s does not have\n%-12s carosbuild %s --out %s builds it; what bitbake has built is not run again",
		disks, stage, id, "remedy:", text, render.QuoteArg(c.Out[0])))
}

// needsOf are the stages from which the disks are made.
func needsOf(disks []*decl.Disk) ([]string, error) {
	var all []string
	for _, d := range disks {
		if err := compose.CheckMachine(d); err != nil {
			return nil, err
		}
		for _, n := range plan.DiskNeeds(d) {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	return all, nil
}

// sourceBuild is the build that SOURCE belongs to, or "", and whether SOURCE names
// it without a stage.
func (c *diskCommand) sourceBuild(ctx context.Context) (id string, whole bool, err error) {
	if !isStored(c.source) || oci.IsStored(c.source) {
		return "", false, nil
	}
	stages, _, err := localstore.Stages(ctx, c.App)
	if err != nil {
		return "", false, err
	}
	id, _, tagged := strings.Cut(c.source, ":")
	found, err := localstore.Picker(ctx, c.App, stages, false).Pick(c.source)
	many := (*history.ManyStagesError)(nil)
	switch {
	case err == nil:
		return found.BuildID, !found.Named, nil
	case errors.As(err, &many): // the declaration names the stage
		return many.BuildID, true, nil
	case !tagged: // it may be another image; the error lists the stages and images
		return "", false, nil
	}
	return id, false, nil
}

// otherStages adds the stages of --stage.
func (c *diskCommand) otherStages(disks []*decl.Disk, needs []string, out map[string]string) error {
	for _, s := range c.stages {
		name, source, ok := strings.Cut(s, "=")
		switch {
		case !ok || name == "" || source == "":
			return cli.Usagef("--stage %q: want NAME=SOURCE", s)
		case !slices.Contains(needs, name):
			return cli.Usagef("--stage %s: disk %s takes nothing from stage %s (it takes files from: %s)", s, idsOf(disks), name, strings.Join(needs, ", "))
		case out[name] != "":
			return cli.Usagef("--stage %s: stage %s is %s already", s, name, out[name])
		}
		out[name] = source
	}
	return nil
}

// checkSources reports the stages for which no source was given.
func (c *diskCommand) checkSources(disks []*decl.Disk, needs []string, out map[string]string) error {
	missing := slices.DeleteFunc(slices.Clone(needs), func(n string) bool { return out[n] != "" })
	if len(missing) == 0 {
		return nil
	}
	text := fmt.Sprintf("disk %s takes files from more stages than SOURCE: say where they are with", idsOf(disks))
	for _, m := range missing {
		text += " --stage " + m + "=SOURCE"
	}
	for _, d := range disks {
		if d.BIOS != nil && slices.Contains(missing, d.ID+".bios") {
			text += fmt.Sprintf(" (%s.bios has GRUB's core image; the build of the disk has made it: carosbuild push BUILDID:%s.bios REGISTRY/REPOSITORY:TAG)", d.ID, d.ID)
		}
	}
	return cli.Usagef("%s", text)
}

func idsOf(disks []*decl.Disk) string {
	var ids []string
	for _, d := range disks {
		ids = append(ids, d.ID)
	}
	return strings.Join(ids, ", ")
}

// isStored reports whether a source is a stage in the store.
func isStored(source string) bool {
	if oci.IsStored(source) {
		return true
	}
	kind, _, _ := strings.Cut(source, ":")
	return kind != "oci" && kind != "docker-archive" && !strings.Contains(source, "/")
}

func anyStored(sources map[string]string) bool {
	for _, s := range sources {
		if isStored(s) {
			return true
		}
	}
	return false
}

// findStored finds a stage in the store.
type findStored func(source string) (compose.RootFS, error)

// roots are the root file systems of the sources.
func (c *diskCommand) roots(j *diskJob, stored findStored, view render.Display) (map[string]compose.RootFS, error) {
	reg := c.Registry(layer.Paths{})
	reg.Events = c.Transfers(view)
	out := map[string]compose.RootFS{}
	for stage, source := range j.sources {
		if !isStored(source) {
			out[stage] = compose.ImageRoot{Registry: reg, Ref: source, Arch: c.arch, Cache: j.dirs.Layers()}
			continue
		}
		root, err := stored(source)
		if err != nil {
			return nil, err
		}
		out[stage] = root
	}
	return out, nil
}

// lacking is an offline.LackingError where sources are in registries and no network is used.
func (c *diskCommand) lacking(j *diskJob) error {
	if !c.Offline {
		return nil
	}
	var needs []offline.Need
	for _, stage := range slices.Sorted(maps.Keys(j.sources)) {
		if source := j.sources[stage]; !isStored(source) && !oci.IsLocal(source) {
			needs = append(needs, offline.Need{Stage: stage, At: j.disks[0].Disk.Span, What: "image " + source + ", which is in a registry"})
		}
	}
	if len(needs) == 0 {
		return nil
	}
	return &offline.LackingError{Needs: needs, Cure: "fetch them with carosbuild pull IMAGE --to oci:DIR where there is a network, and name oci:DIR here"}
}
