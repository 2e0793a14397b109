// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/yocto"
)

func (c *composer) partition(ctx context.Context, p *decl.Partition) (disk.Partition, error) {
	out := disk.Partition{
		Name: p.Name, Type: p.Type, FS: p.FS, Label: p.Label, Start: p.Start, Size: p.Size, Active: p.Active, UUID: p.UUID, Serial: p.Serial,
		Attributes: p.Attributes, Hybrid: p.Hybrid, Compat: p.Profile == "compat", Compression: p.Compression, Of: p.Of,
	}
	if p.Grow && c.disk.Table == "gpt" && !slices.Contains(p.Attributes, "grow") {
		out.Attributes = append(slices.Clone(p.Attributes), "grow")
	}
	var err error
	switch is := disk.FileSystemOf(p.FS); {
	case p.FS == "":
		out.Raw, err = c.raw(ctx, p)
		return out, err
	case !is.Items:
		return out, nil
	}
	var base *tree.Tree
	if p.Path != "" {
		if base, err = c.base(ctx, p); err != nil {
			return out, locate(p.Places.At("path", p.Span), err)
		}
		if len(p.Items) == 0 {
			out.Tree = c.fitting(p, base)
			return out, nil
		}
	}
	if slices.ContainsFunc(p.Items, namesRoot) {
		out.Files = func(roots map[string]string) (*tree.Tree, error) { return c.files(ctx, p, base, roots) }
		return out, nil
	}
	out.Tree, err = c.files(ctx, p, base, nil)
	return out, err
}

// base is the tree at the partition's path: a directory of a stage, without the
// contents of other partitions, or the contents of an archive or image.
func (c *composer) base(ctx context.Context, p *decl.Partition) (*tree.Tree, error) {
	stage := c.stage("", p)
	if kind, ok := decl.DeployKind(p.Path); ok {
		t, err := c.deployedRoot(ctx, stage, yocto.Kind(kind))
		if err == nil {
			c.noteOwn(p, "", t)
		}
		return t, err
	}
	t, err := c.root(ctx, stage)
	if err != nil {
		return nil, err
	}
	name, inside, err := splitPath(t, stage, p.Path)
	if err != nil {
		return nil, err
	}
	e, err := t.Lookup(name)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	switch {
	case e.Type() == tree.Regular:
		return c.packed(ctx, p, stage, e, inside)
	case inside != "":
		return nil, fmt.Errorf("stage %s: /%s is not a file, so that there is no %q in it", stage, name, inside)
	}
	if built, err := c.trees.get(ctx, stage); err == nil {
		c.noteOwn(p, e.Path, built)
	}
	sub, err := t.Sub(e.Path)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	if e.Path != "" && isRoot(sub) {
		c.noteOwn(p, "", sub)
		sub = c.generalized(sub)
	}
	return sub.Without(c.mountedBelow(p))
}

// raw is the file that is the partition's content, or nil.
func (c *composer) raw(ctx context.Context, p *decl.Partition) (*image.Image, error) {
	if p.From == "" {
		return nil, nil
	}
	e, err := c.entry(ctx, c.stage("", p), p.From)
	if err != nil {
		return nil, locate(p.Places.At("from", p.Span), err)
	}
	var extents []image.Extent
	for _, r := range e.Ranges() {
		extents = append(extents, image.Extent{Off: r.Off, Len: r.Len, Src: e.Content, SrcOff: r.Off})
	}
	return image.New(e.Size, extents)
}

// files is the tree of a partition's path and elements.
func (c *composer) files(ctx context.Context, p *decl.Partition, base *tree.Tree, roots map[string]string) (*tree.Tree, error) {
	b := tree.NewBuilder(c.mtime)
	if base != nil {
		if err := b.AddTree("", base); err != nil {
			return nil, mistake(p.Span, err)
		}
	}
	for _, declared := range p.Items {
		it, text := fillable(declared)
		var err error
		if text != nil {
			*text, err = c.fill(*text, roots)
		}
		if err == nil {
			err = c.item(ctx, b, p, it)
		}
		if err != nil {
			return nil, locate(it.At(""), err)
		}
	}
	t, err := b.Tree()
	if err != nil {
		return nil, mistake(p.Span, err)
	}
	return c.fitting(p, t), nil
}

// mountedBelow are the directories of partition p's tree whose contents other
// partitions of the same stage have.
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
