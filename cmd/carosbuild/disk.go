// SPDX-License-Identifier: MPL-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/userns"
)

// diskCommand is "carosbuild disk": a disk from stages that are built.
type diskCommand struct {
	*app
	diskFlags
	verifyOptions
	declFiles []string
	source    string
	stages    []string // NAME=SOURCE
	arch      string
	jobs      int
}

func newDiskCommand(a *app) *cobra.Command {
	c := &diskCommand{app: a}
	cmd := &cobra.Command{
		ValidArgsFunction: c.completeArgs(imageArg, noArg),
		Use:               "disk SOURCE --declaration FILE --out PATH",
		Short:             "Write a disk from an image, without building anything",
		Long: `Write a disk from an image, without building anything.

SOURCE is BUILDID[:STAGE], a stage of your newest build that has it,
oci:DIR[:TAG], docker-archive:FILE[:NAME] or
[docker://]REGISTRY/REPOSITORY[:TAG|@DIGEST]. It is the stage that the <disk> of
the declaration names, or that a <disk> without a stage is made from. The same
stage gives the same bytes from each of them.

From a registry, a layout or an archive the disk is made of the layers' tar
streams: nothing is unpacked, and neither a user namespace nor subordinate ids
are needed. The files of a stage in the store belong to subordinate ids, so
BUILDID:STAGE needs what a build needs.

Where a disk takes files from more stages, they are those of the same BUILDID,
or --stage says where each is. <bios> takes GRUB's core image from the stage
DISK.bios, which the build of the disk has made; push it like any other:

  carosbuild push BUILDID:vmware.bios registry.example.org/caros/bios:1`,
		Example: `  carosbuild disk 2026-11-23-101500-me:900-release --declaration vmware.xml --out caros.vmdk
  carosbuild disk registry.example.org/caros/release:1 --declaration vmware.xml --out caros.vmdk \
      --stage boot-tools=registry.example.org/caros/boot-tools:1 \
      --stage vmware.bios=registry.example.org/caros/bios:1`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.source = args[0]
			return c.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&c.declFiles, "declaration", "d", nil, "file that declares the disk, or a built-in target; may be repeated")
	f.StringArrayVarP(&c.out, "out", "o", nil, "write the disk to this file; may be repeated; {disk} stands for the disk's id; the ending picks the format")
	f.StringVar(&c.format, "format", "", "format of the disk, whatever the ending says: "+strings.Join(compose.Formats(), ", "))
	c.levelFlag(f)
	c.diskFlags.add(f)
	f.StringArrayVar(&c.stages, "stage", nil, "NAME=SOURCE: where another stage is that the disk takes files from")
	f.StringVar(&c.arch, "arch", "", "which image of several, such as amd64, armhf or arm/v6 (default this machine's)")
	f.IntVarP(&c.jobs, "jobs", "j", runtime.NumCPU(), "files to read at a time")
	c.verifyOptions.add(cmd, a)
	c.foreignFlag(cmd)
	return cmd
}

func (c *diskCommand) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	j, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	view, err := c.newDisplay()
	if err != nil {
		return err
	}
	defer view.close()
	if err := os.MkdirAll(j.dirs.cache, 0o700); err != nil {
		return err
	}
	if anyStored(j.sources) {
		err = c.writeStored(cmd, j, view)
	} else {
		err = c.write(ctx, j, 0, nil, view) // the mode of the file is the umask's affair
	}
	if err != nil || userns.Inside(c.getenv) {
		return err
	}
	return c.verifyOptions.boot(ctx, j.disks)
}

// diskJob is a disk, or several, about to be written.
type diskJob struct {
	dirs    dirs
	epoch   *int64
	disks   []diskOutputs
	sources map[string]string // of the stages, by their names
}

// prepare finds out what is to be written, and that it can be.
func (c *diskCommand) prepare(ctx context.Context) (*diskJob, error) {
	if len(c.out) == 0 {
		return nil, usagef("--out is missing: where shall the disk go?")
	}
	if err := c.checkOutputs(c.verify); err != nil {
		return nil, err
	}
	j := &diskJob{}
	var err error
	if j.dirs, err = c.dirs(); err != nil {
		return nil, err
	}
	if j.epoch, err = c.sourceDateEpoch(); err != nil {
		return nil, err
	}
	if j.disks, err = c.declared(ctx, j.dirs); err != nil {
		return nil, err
	}
	if err := c.verifyOptions.check(j.disks); err != nil {
		return nil, err
	}
	if j.sources, err = c.sources(disksOf(j.disks)); err != nil {
		return nil, err
	}
	return j, c.checkInputs(c.declFiles, j.disks, c.reads(j.sources))
}

// write writes the disks, as files of a mode, and says what was written. Stages in the
// store are found by stored.
func (c *diskCommand) write(ctx context.Context, j *diskJob, mode os.FileMode, stored findStored, view display) error {
	roots, err := c.roots(j, stored, view)
	if err != nil {
		return err
	}
	comp := c.composer(j.dirs, j.epoch, view.show)
	comp.Jobs, comp.Level, comp.OutputMode = c.jobs, c.level, mode
	made, err := writeDisks(ctx, comp, j.disks, roots, c.stdout)
	if err != nil {
		return err
	}
	view.close()
	sum := &summary{took: time.Since(c.began)}
	sum.written(j.disks, made)
	return c.showSummary(sum, c.results(c.app))
}

// declared are the disks that are asked for. One without a stage is SOURCE's.
func (c *diskCommand) declared(ctx context.Context, d dirs) ([]diskOutputs, error) {
	if len(c.declFiles) == 0 {
		return nil, usagef("--declaration is missing: the file that declares the disk (carosbuild targets lists the built-in ones)")
	}
	all, err := c.load(ctx, c.declFiles, d.cache)
	if err != nil {
		return nil, err
	}
	if len(all.Disks) == 0 {
		return nil, usagef("%s: the declaration has no <disk>%s", strings.Join(c.declFiles, ", "), overlayHint(all, func(overlay string) string {
			return fmt.Sprintf("carosbuild disk %s --declaration %s --out %s", quoteArg(c.source), overlay, quoteArg(c.out[0]))
		}))
	}
	disks, err := c.diskFlags.of(all)
	for _, p := range disks {
		if p.disk.Stage == "" || p.disk.Stage == decl.LeafStage && all.Stage(decl.LeafStage) == nil {
			p.disk.Stage = c.source
		}
	}
	return disks, err
}

// reads are the sources that are files of this machine.
func (c *diskCommand) reads(sources map[string]string) []disk.Input {
	var in []disk.Input
	for _, source := range sources {
		if path, ok := oci.LocalFile(source); ok {
			in = append(in, disk.Input{Path: path, What: "a source of the disk"})
		}
	}
	return in
}
