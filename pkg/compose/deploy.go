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
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// identityTree is the tree from which a disk's identifiers are derived: its root
// file system if that is deployed in a stage, whatever else the stage contains;
// otherwise the stage.
func (c *composer) identityTree(ctx context.Context) (*tree.Tree, error) {
	for _, p := range c.disk.Partitions {
		if _, ok := decl.DeployKind(p.Path); ok {
			t, err := c.base(ctx, p)
			if err != nil {
				return nil, locate(p.Places.At("path", p.Span), err)
			}
			return t, nil
		}
	}
	return c.root(ctx, c.disk.Stage)
}

// identified are the PARTUUIDs of the disk's partitions. They are known before the
// partitions have content.
func (c *composer) identified(spec disk.Spec) (map[string]string, error) {
	if c.disk.BIOS != nil {
		spec.BIOS = &disk.BIOS{}
	}
	for _, p := range c.disk.Partitions {
		spec.Partitions = append(spec.Partitions, disk.Partition{Name: p.Name, Type: p.Type, FS: p.FS, UUID: p.UUID, Serial: p.Serial})
	}
	ids, err := spec.PartUUIDs()
	if err != nil {
		return nil, c.uncomposed(err)
	}
	return ids, nil
}

// fill replaces references to root hashes and PARTUUIDs by their values.
func (c *composer) fill(s string, roots map[string]string) (string, error) {
	s, err := fillRoots(s, roots)
	s = decl.PartUUID().ReplaceAllStringFunc(s, func(m string) string {
		name := decl.PartUUID().FindStringSubmatch(m)[1]
		id, ok := c.partUUIDs[name]
		if !ok && err == nil {
			err = fmt.Errorf("%s: the disk has no partition with the name %q", m, name)
		}
		return id
	})
	return s, err
}

// deployed returns what bitbake has deployed in a stage.
func (c *composer) deployed(ctx context.Context, stage string) (*yocto.Deployed, error) {
	if d, ok := c.deploys[stage]; ok {
		return d, nil
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return nil, err
	}
	d, err := yocto.Find(t, query(c.disk))
	if err != nil {
		err = fmt.Errorf("stage %s: %w", stage, err)
		if k := c.disk.Deploy; k != nil && (k.Dir != "" || k.Machine != "" || k.Image != "") {
			return nil, mistake(k.Span, err)
		}
		return nil, err
	}
	c.deploys[stage] = d
	return d, nil
}

func query(d *decl.Disk) yocto.Query {
	var q yocto.Query
	if k := d.Deploy; k != nil {
		q = yocto.Query{Dir: k.Dir, Machine: k.Machine, Image: k.Image, LikelyMachine: k.LikelyMachine, LikelyImages: k.LikelyImages}
	}
	return q
}

// found is a deployed file and its entry.
type found struct {
	yocto.File
	entry *tree.Entry
}

// deployedFiles are the deployed files of a kind: one, or several device trees. A
// kernel that is not deployed may be in the root file system.
func (c *composer) deployedFiles(ctx context.Context, stage string, kind yocto.Kind, several bool) ([]found, error) {
	d, err := c.deployed(ctx, stage)
	if err != nil {
		return nil, err
	}
	var files []yocto.File
	if several {
		files, err = d.Files(kind)
	} else {
		var f yocto.File
		f, err = d.File(kind)
		files = []yocto.File{f}
	}
	if kind == yocto.Kernel && yocto.IsMissing(err) {
		f, none := c.rootKernel(ctx, stage)
		if none == nil {
			return []found{f}, nil
		}
		if !yocto.IsMissing(none) { // a root file system that cannot be read may have a kernel
			return nil, none
		}
	}
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return nil, err
	}
	var out []found
	for _, f := range files {
		c.take(stage, kind, f)
		if f.Note != "" {
			c.note("%s", f.Note)
		}
		e, err := t.Lookup(f.Path)
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", stage, err)
		}
		out = append(out, found{f, e})
	}
	return out, nil
}

// rootKernel is the kernel in the deployed root file system. If there is no kernel,
// or no root file system, yocto.IsMissing recognises the error.
func (c *composer) rootKernel(ctx context.Context, stage string) (found, error) {
	root, err := c.deployedRoot(ctx, stage, yocto.RootFS)
	if err != nil {
		return found{}, err
	}
	f, ok := yocto.RootKernel(root)
	if !ok {
		return found{}, &yocto.Error{Text: "the root file system has no kernel", Missing: yocto.Kernel}
	}
	e, err := root.Lookup(f.Path)
	if err != nil {
		return found{}, fmt.Errorf("stage %s: %w", stage, err)
	}
	c.note("no separate kernel is deployed; the root file system has one, /%s", e.Path)
	c.take(stage, yocto.Kernel, f)
	return found{f, e}, nil
}

// deployedFile is the deployed file of a kind, and its entry.
func (c *composer) deployedFile(ctx context.Context, stage string, kind yocto.Kind) (yocto.File, *tree.Entry, error) {
	all, err := c.deployedFiles(ctx, stage, kind, false)
	if err != nil {
		return yocto.File{}, nil, err
	}
	return all[0].File, all[0].entry, nil
}

// content is the tree in an archive or image of a stage; each is read once.
func (c *composer) content(ctx context.Context, stage string, e *tree.Entry) (*tree.Tree, error) {
	key := stage + "\x00" + e.Path
	if t, ok := c.contents[key]; ok {
		return t, nil
	}
	if e.Type() != tree.Regular || e.Size == 0 {
		return nil, fmt.Errorf("stage %s: /%s is not a file, or is empty", stage, e.Path)
	}
	t, err := c.archive(ctx, stage, e)
	if err == nil {
		c.contents[key] = t
	}
	return t, err
}

// deployedRoot is the deployed root file system, as it goes on the disk.
func (c *composer) deployedRoot(ctx context.Context, stage string, kind yocto.Kind) (*tree.Tree, error) {
	f, e, err := c.deployedFile(ctx, stage, kind)
	if err != nil {
		return nil, err
	}
	if !f.Unowned {
		t, err := c.content(ctx, stage, e)
		if err != nil {
			return nil, err
		}
		if len(t.Entries) <= 1 {
			return nil, fmt.Errorf("stage %s: there are no files in /%s", stage, e.Path)
		}
		return c.generalized(t), nil
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return nil, err
	}
	t, err = t.Sub(e.Path)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	return c.generalized(ownedByRoot(t, e)), nil
}

// ownedByRoot gives the files of the directory's own owner to root.
func ownedByRoot(t *tree.Tree, dir *tree.Entry) *tree.Tree {
	out := &tree.Tree{Entries: slices.Clone(t.Entries)}
	for i := range out.Entries {
		e := &out.Entries[i]
		if e.UID == dir.UID {
			e.UID = 0
		}
		if e.GID == dir.GID {
			e.GID = 0
		}
	}
	return out
}

// copyDeployed copies the deployed files of a kind: to the path To or, if that ends
// in a slash, into it under their names without dates.
func (c *composer) copyDeployed(ctx context.Context, b *tree.Builder, stage string, kind yocto.Kind, it *decl.CopyItem) error {
	into := strings.HasSuffix(it.To, "/")
	all, err := c.deployedFiles(ctx, stage, kind, into)
	switch {
	case it.Optional && yocto.IsMissing(err):
		return nil
	case err != nil:
		return locate(it.At("from"), err)
	}
	for _, f := range all {
		file := *f.entry
		if file.Path = it.To; into {
			file.Path = path.Join(it.To, f.Name)
		}
		if err := b.Add(file); err != nil {
			return err
		}
	}
	return nil
}

// lookup returns the paths to which a path, pattern or deploy:KIND leads in a
// stage.
func (c *composer) lookup(ctx context.Context, stage, name string) (*tree.Entry, error) {
	if kind, ok := decl.DeployKind(name); ok {
		_, e, err := c.deployedFile(ctx, stage, yocto.Kind(kind))
		return e, err
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return nil, err
	}
	p, err := onePath(t, stage, name)
	if err != nil {
		return nil, err
	}
	e, err := t.Lookup(p)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	return e, nil
}
