// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/content"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uboot"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/words"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// Composer makes disk images from declared disks and the root file systems of
// stages. Its fields are set before use and not changed afterwards.
type Composer struct {
	CacheDir   string      // directory for spooled data
	Epoch      *int64      // SOURCE_DATE_EPOCH
	Jobs       int         // number of pieces of a tree that are read at a time
	OutputMode os.FileMode // permissions of disk files
	Sums       bool        // whether to digest disks that are written front to back, which takes a few percent of the time
	Level      int         // compression level of disks, 1 to 9; 0 means each format's default
	Now        func() time.Time
	Events     func(progress.Event)
}

func (c *Composer) event(ev progress.Event) {
	if c.Events == nil {
		return
	}
	ev.Time = c.Now()
	c.Events(ev)
}

// DiskImage is a disk that is composed and not written yet.
type DiskImage struct {
	Layout *disk.Layout
	Seed   []byte
	VM     *ova.VM           // for formats that describe the machine
	Time   int64             // seconds since 1970, for formats that have one
	Sums   map[string]string // SHA-256, hexadecimal, of files that were written front to back, by absolute path, links resolved
	id     string            // id of the disk
	// disc reads the boot program that a BIOS starts from a disc.
	disc func(ctx context.Context) ([]byte, error)
}

// sum notes a digest. Disks are written one after another.
func (img *DiskImage) sum(path, sha256 string) {
	if img.Sums == nil {
		img.Sums = map[string]string{}
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	img.Sums[path] = sha256
}

// Compose composes declared disks from stages, whose root file systems roots opens.
// Release is called when the images have been written. If the declaration asks for
// something that the stages do not have, the error is a finding.ListError. A stage
// that several disks are made from is walked, and searched for holes, once.
func (c *Composer) Compose(ctx context.Context, disks []*decl.Disk, roots map[string]RootFS) ([]*DiskImage, func() error, error) {
	for stage, r := range roots {
		if image, ok := r.(ImageRoot); ok && image.Note == nil {
			image.Note = func(text string) { c.event(progress.Event{Kind: progress.Note, Text: text}) }
			roots[stage] = image
		}
	}
	trees := &stageTrees{roots: roots, jobs: c.Jobs + 1, trees: map[string]*tree.Tree{}, unpacked: map[string]content.Source{}}
	if c.Epoch != nil {
		trees.clamp = *c.Epoch
	}
	var images []*DiskImage
	for _, d := range disks {
		m := &composer{
			Composer: c, disk: d, trees: trees,
			initrds: map[finding.Span][]byte{}, noted: map[string]bool{}, roots: map[string]*tree.Tree{},
			contents: map[string]*tree.Tree{}, deploys: map[string]*yocto.Deployed{},
		}
		img, err := m.compose(ctx)
		if err != nil {
			return nil, nil, errors.Join(err, trees.release())
		}
		images = append(images, img)
	}
	return images, trees.release, nil
}

// Formats are the names of the disk formats.
func Formats() []string {
	return disk.Formats()
}

// Write writes each image to its outputs, in one pass over the image. No file
// appears before all are complete. Stdout is as disk.StandardOutput describes it.
func (c *Composer) Write(ctx context.Context, images []*DiskImage, outs [][]disk.Output, stdout io.Writer) error {
	var jobs []disk.Job
	for i, img := range images {
		j, err := c.writeJob(ctx, img, outs[i], stdout)
		if err != nil {
			return err
		}
		jobs = append(jobs, j)
	}
	return disk.WriteEach(ctx, jobs)
}

func (c *Composer) writeJob(ctx context.Context, img *DiskImage, outs []disk.Output, stdout io.Writer) (disk.Job, error) {
	var names []string
	for _, o := range outs {
		names = append(names, o.Path)
	}
	c.noteDisc(img, outs)
	text := "write " + strings.Join(names, ", ")
	j := disk.Job{Outputs: outs, Image: img.Layout.Image, Options: disk.WriteOptions{
		Seed: img.Seed, Time: img.Time, Mode: c.OutputMode, Level: c.Level, VM: img.VM, Stdout: stdout,
		Progress: func(done, total int64) {
			c.event(progress.Event{Kind: progress.Progress, Text: text, Done: done, Total: total})
		},
	}}
	if c.Sums {
		j.Options.Sum = img.sum
	}
	if wantsISO(outs) {
		bios, err := img.disc(ctx)
		if err != nil {
			return j, err
		}
		j.Options.ISO = img.Layout.ISO(img.id, img.Time, bios)
	}
	return j, nil
}

// composer makes a disk.Spec from a declaration.
type composer struct {
	*Composer
	trees *stageTrees
	disk  *decl.Disk
	mtime int64 // time of files that have none
	// initrds are those composed so far, by the places of their elements: a tree
	// may be made more than once.
	initrds map[finding.Span][]byte
	roots   map[string]*tree.Tree // of stages, as the disk has them
	// contents are archives that have been read, by stage and path.
	contents  map[string]*tree.Tree
	deploys   map[string]*yocto.Deployed // by stage
	taken     []takenFile                // of what is deployed
	partUUIDs map[string]string          // by the partitions' names
	noted     map[string]bool            // notes so far: a tree may be made more than once
}

func (c *composer) compose(ctx context.Context) (*DiskImage, error) {
	if c.disk.Empty {
		return c.emptyDisk(ctx)
	}
	if err := c.checkDeployed(ctx); err != nil {
		return nil, err
	}
	root, err := c.identityTree(ctx)
	if err != nil {
		return nil, err
	}
	c.mtime = root.Newest()
	if e := c.Epoch; e != nil {
		c.mtime = *e
	}
	digest := disk.TreeDigest(root)
	spec := disk.Spec{
		Table: c.disk.Table, Size: c.disk.Size, Align: c.disk.Align, GUID: c.disk.GUID,
		Seed: append([]byte(c.disk.ID+"\x00"), digest[:]...), Time: c.mtime, Spool: c.spool,
	}
	if c.partUUIDs, err = c.identified(spec); err != nil {
		return nil, err
	}
	for _, p := range c.disk.Partitions {
		dp, err := c.partition(ctx, p)
		if err == nil {
			err = c.checkGrow(ctx, p)
		}
		if err != nil {
			return nil, err
		}
		spec.Partitions = append(spec.Partitions, dp)
	}
	if err := c.outside(ctx, &spec); err != nil {
		return nil, err
	}
	layout, err := disk.Compose(ctx, spec)
	if err != nil {
		return nil, c.uncomposed(err)
	}
	vm, err := c.machineOf(ctx)
	c.noteDeployed()
	img := &DiskImage{Layout: layout, Seed: spec.Seed, VM: vm, Time: c.mtime, id: c.disk.ID}
	img.disc = func(ctx context.Context) ([]byte, error) { return c.discImage(ctx, spec.BIOS) }
	return img, err
}

// outside adds what is on the disk outside its partitions: blobs, and GRUB for a
// BIOS.
func (c *composer) outside(ctx context.Context, spec *disk.Spec) error {
	for _, b := range c.disk.Blobs {
		data, err := c.file(ctx, b.Stage, b.From)
		if err == nil && b.Check == "sunxi-spl" {
			_, err = uboot.CheckSPL(data)
		}
		if err != nil {
			return locate(b.Span, err)
		}
		spec.Blobs = append(spec.Blobs, disk.Blob{Name: b.From, At: b.At, Data: data})
	}
	if c.disk.BIOS == nil {
		return nil
	}
	spec.BIOS = &disk.BIOS{}
	for _, part := range []struct {
		data *[]byte
		from string
	}{{&spec.BIOS.Boot, plan.GRUBBoot}, {&spec.BIOS.Core, plan.GRUBCore}} {
		data, err := c.file(ctx, plan.BIOSStageID(c.disk), part.from)
		if err != nil {
			return mistake(c.disk.BIOS.Span, err)
		}
		*part.data = data
	}
	return nil
}

// stage is the stage that an element takes files from: its own, else the
// partition's, else the disk's.
func (c *composer) stage(own string, p *decl.Partition) string {
	for _, s := range []string{own, p.Stage} {
		if s != "" {
			return s
		}
	}
	return c.disk.Stage
}

// maxBoot bounds the part of a boot file that is read into memory.
const maxBoot = 64 << 20

// file is the content of a file of a stage.
func (c *composer) file(ctx context.Context, stage, name string) ([]byte, error) {
	if stage == "" {
		stage = c.disk.Stage
	}
	e, err := c.entry(ctx, stage, name)
	if err != nil {
		return nil, err
	}
	if e.Size > maxBoot {
		return nil, fmt.Errorf("stage %s: %s has more than %d bytes", stage, name, maxBoot)
	}
	return io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
}

// entry is the one file with content to which a path or pattern in a stage leads.
func (c *composer) entry(ctx context.Context, stage, name string) (*tree.Entry, error) {
	e, err := c.lookup(ctx, stage, name)
	if err != nil {
		return nil, err
	}
	if e.Type() != tree.Regular || e.Size == 0 {
		return nil, fmt.Errorf("stage %s: %s is not a file, or is empty", stage, name)
	}
	return e, nil
}

// onePath is the only path that a pattern matches.
func onePath(t *tree.Tree, stage, pattern string) (string, error) {
	paths, err := t.Glob(pattern)
	if err != nil {
		return "", fmt.Errorf("stage %s: %w", stage, err)
	}
	if len(paths) != 1 {
		return "", fmt.Errorf("stage %s: %s matches %d files: %s", stage, pattern, len(paths), words.Few(slices.Compact(paths)))
	}
	return paths[0], nil
}
