// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/userns"
)

// diskCommand is "carosbuild disk": a disk from stages that have been built.
type diskCommand struct {
	*cli.App
	DiskFlags
	VerifyOptions
	declFiles []string
	source    string
	stages    []string // NAME=SOURCE
	arch      string
	jobs      int
}

// NewDisk is "carosbuild disk".
func NewDisk(a *cli.App) *cobra.Command {
	c := &diskCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(c.App, complete.Images, complete.Nothing),
		Use:               "disk SOURCE --declaration FILE --out PATH",
		Short:             "Write a disk from an image, without building anything",
		Long: `Write a disk from an image, without building anything.

SOURCE is BUILDID[:STAGE], a stage of your newest build that has it,
oci:DIR[:TAG], docker-archive:FILE[:NAME] or
[docker://]REGISTRY/REPOSITORY[:TAG|@DIGEST]. It takes the place of the stage
that the <disk> of the declaration names, if it names one. The same stage gives the
same bytes, whichever of these it comes from.

From a registry, a layout or an archive the disk is made of the layers' tar
streams: nothing is unpacked, and neither a user namespace nor subordinate ids
are needed. The files of a stage in the store belong to subordinate ids, so
BUILDID:STAGE needs what a build needs.

If a disk takes files from other stages, these come from the same BUILDID, or
--stage says where each is. <bios> takes GRUB's core image from the stage
DISK.bios, which the build of the disk has made; push it like any other:

  carosbuild push BUILDID:vmware.bios registry.example.org/caros/bios:1`,
		Example: `  carosbuild disk 2026-11-23-101500-me:900-release --declaration vmware.xml --out caros.vmdk
  carosbuild disk registry.example.org/caros/release:1 --declaration vmware.xml --out caros.vmdk \
      --stage boot-tools=registry.example.org/caros/boot-tools:1 \
      --stage vmware.bios=registry.example.org/caros/bios:1`,
		Args: cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.source = args[0]
			return c.run(cmd)
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&c.declFiles, "declaration", "d", nil, "file that declares the disk, or a built-in target; may be repeated")
	f.StringArrayVarP(&c.Out, "out", "o", nil, "write the disk to this file; may be repeated; {disk} stands for the disk's id; the ending picks the format")
	f.StringVar(&c.Format, "format", "", "format of the disk, whatever the ending says: "+strings.Join(compose.Formats(), ", "))
	declfile.ConfineFlag(a, f)
	c.OfflineFlag(f)
	c.LevelFlag(f)
	c.DiskFlags.Add(f)
	f.StringArrayVar(&c.stages, "stage", nil, "NAME=SOURCE: place of another stage from which the disk takes files")
	f.StringVar(&c.arch, "arch", "", "which image of several, such as amd64, armhf or arm/v6 (default this machine's)")
	f.IntVarP(&c.jobs, "jobs", "j", runtime.NumCPU(), "files to read at a time")
	c.VerifyOptions.Add(cmd, a)
	c.ForeignFlag(cmd)
	return cmd
}

func (c *diskCommand) run(cmd *cobra.Command) error {
	ctx := cmd.Context()
	j, err := c.prepare(ctx)
	if err != nil {
		return err
	}
	view, err := c.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	if err := os.MkdirAll(j.dirs.Cache, 0o700); err != nil {
		return err
	}
	if anyStored(j.sources) {
		if _, err := c.Dirs(); err != nil { // the store needs real values
			return err
		}
		err = c.writeStored(cmd, j, view)
	} else {
		err = c.write(ctx, j, 0, nil, view) // the umask determines the permissions of the file
	}
	if err != nil || userns.Inside(c.Getenv) {
		return err
	}
	return c.VerifyOptions.Boot(ctx, j.disks)
}

// diskJob is one or several disks that are about to be written.
type diskJob struct {
	dirs    cli.Dirs
	epoch   *int64
	disks   []DiskOutputs
	sources map[string]string // sources of the stages, by name
}

// prepare determines what is to be written, and checks that it can be.
func (c *diskCommand) prepare(ctx context.Context) (*diskJob, error) {
	if len(c.Out) == 0 {
		return nil, cli.Usagef("--out is missing: it says where to write the disk")
	}
	if err := c.CheckOutputs(c.Verify); err != nil {
		return nil, err
	}
	j := &diskJob{}
	var err error
	if j.dirs, err = c.DirsOrScratch(); err != nil {
		return nil, err
	}
	if j.epoch, err = c.SourceDateEpoch(); err != nil {
		return nil, err
	}
	if j.disks, err = c.declared(ctx, j.dirs); err != nil {
		return nil, err
	}
	if err := c.VerifyOptions.Check(j.disks); err != nil {
		return nil, err
	}
	if j.sources, err = c.sources(ctx, DisksOf(j.disks)); err != nil {
		return nil, err
	}
	if err := c.lacking(j); err != nil {
		return nil, err
	}
	return j, CheckInputs(c.App, c.declFiles, j.disks, c.reads(j.sources))
}

// write writes the disks, as files with a mode, and reports what was written. stored
// finds stages in the store.
func (c *diskCommand) write(ctx context.Context, j *diskJob, mode os.FileMode, stored findStored, view render.Display) error {
	roots, err := c.roots(j, stored, view)
	if err != nil {
		return err
	}
	comp := Composer(c.App, j.dirs, j.epoch, view.Show)
	comp.Jobs, comp.Level, comp.OutputMode = c.jobs, c.Level, mode
	made, err := WriteDisks(ctx, comp, j.disks, roots, c.Stdout)
	if err != nil {
		return err
	}
	view.Close()
	sum := &render.Summary{Took: time.Since(c.Began)}
	AddWritten(sum, j.disks, made)
	return ShowSummary(c.App, sum, c.Results(c.App))
}

// declared are the requested disks. A disk without a stage is made from SOURCE.
func (c *diskCommand) declared(ctx context.Context, d cli.Dirs) ([]DiskOutputs, error) {
	if len(c.declFiles) == 0 {
		return nil, cli.Usagef("--declaration is missing: the file that declares the disk (carosbuild targets lists the built-in ones)")
	}
	all, err := declfile.Load(ctx, c.App, c.declFiles, d.Cache)
	if err != nil {
		return nil, err
	}
	if len(all.Disks) == 0 {
		return nil, cli.Usagef("%s: the declaration has no <disk>%s", strings.Join(c.declFiles, ", "), declfile.OverlayHint(all, func(overlay string) string {
			return fmt.Sprintf("carosbuild disk %s --declaration %s --out %s", render.QuoteArg(c.source), overlay, render.QuoteArg(c.Out[0]))
		}))
	}
	disks, err := c.DiskFlags.Of(all)
	for _, p := range disks {
		if p.Disk.Stage == "" || p.Disk.Stage == decl.LeafStage && all.Stage(decl.LeafStage) == nil {
			p.Disk.Stage = c.source
		}
	}
	return disks, err
}

// reads are the sources that are files on this machine.
func (c *diskCommand) reads(sources map[string]string) []disk.Input {
	var in []disk.Input
	for _, source := range sources {
		if path, ok := oci.LocalFile(source); ok {
			in = append(in, disk.Input{Path: path, What: "a source of the disk"})
		}
	}
	return in
}
