// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// showPlan prints the plan. What is deployed in stages that are stored can be seen in
// the namespaces only; on a host without those it is left out.
func (c *buildCommand) showPlan(cmd *cobra.Command, j *buildJob) error {
	stages := storedDeploys(j)
	if len(stages) == 0 || c.jsonPlan || c.whyOnly {
		return c.printPlan(j, nil)
	}
	c.know(j)
	data, err := handOver(c.App, j)
	if err != nil {
		return err
	}
	if err := c.EnterWith(cmd, data); !remedy.Is(err) {
		return err
	}
	return c.printPlan(j, nil)
}

// showHanded prints a plan that was handed over, with what is deployed.
func (c *buildCommand) showHanded(ctx context.Context, j *buildJob) error {
	deployed, err := lookDeployed(ctx, c.App, j, storedDeploys(j))
	if err != nil {
		return err
	}
	return c.printPlan(j, deployed)
}

// storedDeploys are the names of the images of stages that disks take deployed files
// from, if they are stored as the plan has them.
func storedDeploys(j *buildJob) map[string]string {
	images, err := j.store.Images()
	if err != nil {
		return nil
	}
	out := map[string]string{}
	for _, p := range j.disks {
		i := slices.IndexFunc(j.plan.Stages, func(s plan.Job) bool { return s.ID == p.Disk.Stage })
		if len(deployedKinds(p.Disk)) == 0 || i < 0 {
			continue
		}
		if name, _, ok := j.dirs.Built().Find(&j.plan.Stages[i], images); ok {
			id, stage, _ := strings.Cut(name, ":")
			out[p.Disk.Stage] = history.ImageName(id, stage)
		}
	}
	return out
}

// deployedKinds are the kinds of deployed files that a disk takes from its own stage.
func deployedKinds(k *decl.Disk) []yocto.Kind {
	var out []yocto.Kind
	add := func(stage string, values ...string) {
		for _, v := range values {
			kind, ok := decl.DeployKind(v)
			if ok && (stage == "" || stage == k.Stage) && !slices.Contains(out, yocto.Kind(kind)) {
				out = append(out, yocto.Kind(kind))
			}
		}
	}
	for _, p := range k.Partitions {
		add(p.Stage, p.Path, p.From)
		for _, it := range p.Items {
			for _, taken := range decl.TakenBy(it) {
				add(cmp.Or(taken.Stage, p.Stage), taken.From)
			}
		}
	}
	for _, b := range k.Blobs {
		add(b.Stage, b.From)
	}
	if k.VM != nil && k.VM.CDROM != nil {
		add(k.VM.CDROM.Stage, k.VM.CDROM.From)
	}
	return out
}

// lookDeployed are lines for each disk: the files that it takes of a stored stage.
func lookDeployed(ctx context.Context, a *cli.App, j *buildJob, stages map[string]string) (lines map[string][]string, err error) {
	s, err := localstore.Open(ctx, a, j.store, j.dirs)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	trees := map[string]*tree.Tree{}
	lines = map[string][]string{}
	for _, p := range j.disks {
		image, stage := stages[p.Disk.Stage], p.Disk.Stage
		if image == "" {
			continue
		}
		if trees[stage] == nil {
			if trees[stage], err = listed(ctx, s, image); err != nil {
				return nil, fmt.Errorf("look for deployed files in stage %s: %w", stage, err)
			}
		}
		lines[p.Disk.ID] = deployedLines(trees[stage], p.Disk)
	}
	return lines, nil
}

// listed is the tree of an image, to look at names only.
func listed(ctx context.Context, s *layer.Store, image string) (t *tree.Tree, err error) {
	img, ok, err := s.ImageByName(image)
	if err == nil && !ok {
		err = layer.ErrUnknown
	}
	if err != nil {
		return nil, err
	}
	dir, release, err := s.View(ctx, img.Top)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, release()) }()
	src, err := tree.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	return src.Read(ctx, 0, runtime.NumCPU())
}

// deployedLines are the files of a tree that a disk takes. What is missing is left
// out: it may be optional, or come from elsewhere, and the build has a remedy.
func deployedLines(t *tree.Tree, k *decl.Disk) []string {
	var q yocto.Query
	if d := k.Deploy; d != nil {
		q = yocto.Query{Dir: d.Dir, Machine: d.Machine, Image: d.Image, LikelyMachine: d.LikelyMachine, LikelyImages: d.LikelyImages}
	}
	d, err := yocto.Find(t, q)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, kind := range deployedKinds(k) {
		files, err := d.Files(kind)
		if err != nil {
			continue
		}
		for _, f := range files {
			out = append(out, fmt.Sprintf("%s /%s", kind, f.Path))
		}
	}
	return out
}
