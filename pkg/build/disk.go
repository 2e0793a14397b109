// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/initrd"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// DiskImage is a disk that is composed and not written yet.
type DiskImage struct {
	Layout *disk.Layout
	Seed   []byte
}

// Disk composes a declared disk from built stages. Release is called when the
// image has been written. What the declaration asks for and the stages do not
// have is a DeclarationError.
func (e *Engine) Disk(ctx context.Context, d *decl.Disk, res *Result) (*DiskImage, func() error, error) {
	c := &composer{trees: &stageTrees{engine: e, result: res, trees: map[string]*tree.Tree{}}, disk: d}
	img, err := c.compose(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, c.trees.release())
	}
	return img, c.trees.release, nil
}

// Formats are the names of disk formats.
func Formats() []string {
	return []string{string(disk.Raw), string(disk.VMDK), string(disk.VMDKSparse)}
}

// WriteDisk writes the image to a file; format "" follows from its name.
func (e *Engine) WriteDisk(ctx context.Context, img *DiskImage, out, format string) error {
	return disk.Write(ctx, out, format, img.Layout.Image, disk.WriteOptions{
		Seed: img.Seed, Mode: e.OutputMode,
		Progress: func(done, total int64) {
			e.event(Event{Kind: Progress, Text: "write " + out, Done: done, Total: total})
		},
	})
}

// composer makes a disk.Spec of a declaration.
type composer struct {
	trees *stageTrees
	disk  *decl.Disk
	mtime int64 // of what has no time of its own
}

// finding is an error at a place of the declaration.
func finding(at decl.Span, err error) error {
	return &DeclarationError{decl.Findings{{Span: at, Summary: err.Error()}}}
}

func (c *composer) compose(ctx context.Context) (*DiskImage, error) {
	root, err := c.trees.get(ctx, c.disk.Stage)
	if err != nil {
		return nil, err
	}
	c.mtime = root.Newest()
	if e := c.trees.engine.Epoch; e != nil {
		c.mtime = *e
	}
	digest := disk.TreeDigest(root)
	spec := disk.Spec{Table: c.disk.Table, Size: c.disk.Size, Seed: append([]byte(c.disk.ID+"\x00"), digest[:]...), Time: c.mtime}
	for _, p := range c.disk.Partitions {
		dp, err := c.partition(ctx, p)
		if err != nil {
			return nil, err
		}
		spec.Partitions = append(spec.Partitions, dp)
	}
	for _, b := range c.disk.Blobs {
		data, err := c.file(ctx, b.Stage, b.From)
		if err != nil {
			return nil, finding(b.Span, err)
		}
		spec.Blobs = append(spec.Blobs, disk.Blob{Name: b.From, At: b.At, Data: data})
	}
	if c.disk.BIOS != nil {
		spec.BIOS = &disk.BIOS{}
		if spec.BIOS.Boot, err = c.file(ctx, biosStageID(c.disk), grubBoot); err != nil {
			return nil, finding(c.disk.BIOS.Span, err)
		}
		if spec.BIOS.Core, err = c.file(ctx, biosStageID(c.disk), grubCore); err != nil {
			return nil, finding(c.disk.BIOS.Span, err)
		}
	}
	layout, err := disk.Compose(spec)
	if err != nil {
		return nil, finding(c.disk.Span, fmt.Errorf("disk %s: %w", c.disk.ID, err))
	}
	return &DiskImage{Layout: layout, Seed: spec.Seed}, nil
}

// stage is the stage that something is taken from: its own, else the
// partition's, else the disk's.
func (c *composer) stage(own string, p *decl.Partition) string {
	for _, s := range []string{own, p.Stage} {
		if s != "" {
			return s
		}
	}
	return c.disk.Stage
}

func (c *composer) partition(ctx context.Context, p *decl.Partition) (disk.Partition, error) {
	out := disk.Partition{Name: p.Name, Type: p.Type, FS: p.FS, Label: p.Label, Start: p.Start, Size: p.Size, Active: p.Active, UUID: p.UUID}
	if p.FS == "" {
		return out, nil
	}
	var base *tree.Tree
	if p.Path != "" {
		t, err := c.trees.get(ctx, c.stage("", p))
		if err != nil {
			return out, err
		}
		if base, err = t.Sub(p.Path); err == nil {
			base, err = base.Without(c.mountedBelow(p))
		}
		if err != nil {
			return out, finding(p.Span, err)
		}
		if len(p.Items) == 0 {
			out.Tree = base
			return out, nil
		}
	}
	b := tree.NewBuilder(c.mtime)
	if base != nil {
		if err := b.AddTree("", base); err != nil {
			return out, finding(p.Span, err)
		}
	}
	for i := range p.Items {
		it := &p.Items[i]
		if err := c.item(ctx, b, p, it); err != nil {
			return out, locate(it.Span, err)
		}
	}
	var err error
	if out.Tree, err = b.Tree(); err != nil {
		return out, finding(p.Span, err)
	}
	return out, nil
}

// locate turns an error into a finding, unless it has nothing to do with the
// declaration.
func locate(at decl.Span, err error) error {
	var d *DeclarationError
	if errors.As(err, &d) || errors.Is(err, context.Canceled) {
		return err
	}
	return finding(at, err)
}

// mountedBelow are the directories of partition p's tree that other partitions
// of the same stage hold.
func (c *composer) mountedBelow(p *decl.Partition) []string {
	var dirs []string
	top := strings.TrimSuffix(path.Clean("/"+p.Path), "/")
	for _, q := range c.disk.Partitions {
		if q == p || q.Path == "" || c.stage("", q) != c.stage("", p) {
			continue
		}
		if below, ok := strings.CutPrefix(path.Clean("/"+q.Path), top+"/"); ok && below != "" {
			dirs = append(dirs, below)
		}
	}
	return dirs
}

func (c *composer) item(ctx context.Context, b *tree.Builder, p *decl.Partition, it *decl.Item) error {
	switch it.Kind {
	case decl.CopyItem:
		return c.copyItem(ctx, b, c.stage(it.Stage, p), it)
	case decl.FileItem:
		mode, err := strconv.ParseUint(orDefault(it.Mode, "0644"), 8, 12)
		if err != nil {
			return fmt.Errorf("mode %q is not octal", it.Mode)
		}
		return c.put(b, it.To, uint32(mode), []byte(it.Text))
	case decl.InitrdItem:
		t, err := c.trees.get(ctx, c.stage(it.Stage, p))
		if err != nil {
			return err
		}
		data, err := initrd.Build(t, initrd.Options{Modules: it.Modules})
		if err != nil {
			return err
		}
		return c.put(b, it.To, 0o644, data)
	case decl.LoaderItem:
		return c.loader(b, it)
	}
	return fmt.Errorf("unknown item %q", it.Kind)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// put adds a file of the given content.
func (c *composer) put(b *tree.Builder, to string, mode uint32, data []byte) error {
	e := tree.Entry{Path: to, Mode: tree.Regular | mode, Mtime: c.mtime, Size: int64(len(data))}
	if len(data) > 0 {
		e.Content = image.Bytes(data)
	}
	return b.Add(e)
}

// copyItem copies what a path or pattern in a stage leads to. One file goes to
// the path To, or into it when that ends in a slash; several, and directories,
// go into it.
func (c *composer) copyItem(ctx context.Context, b *tree.Builder, stage string, it *decl.Item) error {
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return err
	}
	paths, err := t.Glob(it.From)
	if err != nil {
		return fmt.Errorf("stage %s: %w", stage, err)
	}
	into := strings.HasSuffix(it.To, "/")
	if len(paths) > 1 && !into {
		return fmt.Errorf("%s matches %d files of stage %s (%s): end %s with a slash to copy them all", it.From, len(paths), stage, strings.Join(paths, ", "), it.To)
	}
	for _, p := range paths {
		e, err := t.Lookup(p)
		if err != nil {
			return fmt.Errorf("stage %s: %w", stage, err)
		}
		to := it.To
		if into {
			to = path.Join(it.To, path.Base(p))
		}
		if e.Type() == tree.Dir {
			sub, err := t.Sub(e.Path)
			if err == nil {
				err = b.AddTree(to, sub)
			}
			if err != nil {
				return err
			}
			continue
		}
		file := *e
		file.Path = to
		if err := b.Add(file); err != nil {
			return err
		}
	}
	return nil
}

// loader writes the menus of both boot loaders.
func (c *composer) loader(b *tree.Builder, it *decl.Item) error {
	timeout, err := strconv.Atoi(orDefault(it.Timeout, "0"))
	if err != nil {
		return fmt.Errorf("timeout %q is no number of seconds", it.Timeout)
	}
	m := grub.Menu{
		Title: orDefault(it.Title, c.disk.ID), Kernel: orDefault(it.Kernel, "/vmlinuz"), Initrd: orDefault(it.Initrd, "/initrd.img"),
		Cmdline: it.Cmdline, Timeout: timeout,
	}
	entry := c.disk.ID + ".conf"
	text, err := grub.LoaderEntry(m)
	if err != nil {
		return err
	}
	files := []struct{ path, text string }{{"/loader/loader.conf", grub.LoaderConfig(m, entry)}, {"/loader/entries/" + entry, text}}
	if c.disk.BIOS != nil {
		if text, err = grub.Config(m); err != nil {
			return err
		}
		files = append(files, struct{ path, text string }{"/grub/grub.cfg", text})
	}
	for _, f := range files {
		if err := c.put(b, f.path, 0o644, []byte(f.text)); err != nil {
			return err
		}
	}
	return nil
}

// maxBoot bounds what is read into memory of a boot part.
const maxBoot = 64 << 20

// file is the content of a file of a stage.
func (c *composer) file(ctx context.Context, stage, name string) ([]byte, error) {
	if stage == "" {
		stage = c.disk.Stage
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return nil, err
	}
	paths, err := t.Glob(name)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	if len(paths) != 1 {
		return nil, fmt.Errorf("stage %s: %s matches %d files: %s", stage, name, len(paths), strings.Join(slices.Compact(paths), ", "))
	}
	e, err := t.Lookup(paths[0])
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	if e.Type() != tree.Regular || e.Size > maxBoot || e.Size == 0 {
		return nil, fmt.Errorf("stage %s: %s is no file of at most %d bytes with content", stage, name, maxBoot)
	}
	return io.ReadAll(io.NewSectionReader(e.Content, 0, e.Size))
}
