// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.
package build

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/initrd"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// ground is what a disk's identifiers derive from: its root file system, where
// that is deployed in a stage, whatever else the stage has, or else the stage.
func (c *composer) ground(ctx context.Context) (*tree.Tree, error) {
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

// identified are the PARTUUIDs of the disk's partitions, before any has content.
func (c *composer) identified(spec disk.Spec) (map[string]string, error) {
	if c.disk.BIOS != nil {
		spec.BIOS = &disk.BIOS{}
	}
	for _, p := range c.disk.Partitions {
		spec.Partitions = append(spec.Partitions, disk.Partition{Name: p.Name, Type: p.Type, FS: p.FS, UUID: p.UUID})
	}
	ids, err := spec.PartUUIDs()
	if err != nil {
		return nil, c.uncomposed(err)
	}
	return ids, nil
}

// fill puts root hashes and PARTUUIDs in their places.
func (c *composer) fill(s string, roots map[string]string) (string, error) {
	s, err := fillRoots(s, roots)
	return decl.PartUUID.ReplaceAllStringFunc(s, func(m string) string {
		name := decl.PartUUID.FindStringSubmatch(m)[1]
		id, ok := c.partUUIDs[name]
		if !ok && err == nil {
			err = fmt.Errorf("%s: the disk has no partition with the name %q", m, name)
		}
		return id
	}), err
}

// deployed is what bitbake has deployed in a stage.
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
			return nil, finding(k.Span, err)
		}
		return nil, err
	}
	c.deploys[stage] = d
	if d.Why != "" {
		c.note("machine %s, image %s (%s)", d.Machine, orDefault(d.Image, "-"), d.Why)
	}
	return d, nil
}

func query(d *decl.Disk) yocto.Query {
	var q yocto.Query
	if k := d.Deploy; k != nil {
		q = yocto.Query{Dir: k.Dir, Machine: k.Machine, Image: k.Image, LikelyMachine: k.LikelyMachine, LikelyImages: k.LikelyImages}
	}
	return q
}

// deployedFile is the deployed file of a kind, and its entry in the stage's tree.
func (c *composer) deployedFile(ctx context.Context, stage string, kind yocto.Kind) (yocto.File, *tree.Entry, error) {
	d, err := c.deployed(ctx, stage)
	if err != nil {
		return yocto.File{}, nil, err
	}
	f, err := d.File(kind)
	if err != nil {
		return f, nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	if f.Note != "" {
		c.note("%s", f.Note)
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return f, nil, err
	}
	e, err := t.Lookup(f.Path)
	if err != nil {
		return f, nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	return f, e, nil
}

// pathOf is the one path in a stage that a value stands for.
func (c *composer) pathOf(ctx context.Context, t *tree.Tree, stage, name string) (string, error) {
	kind, ok := decl.DeployKind(name)
	if !ok {
		return onePath(t, stage, name)
	}
	_, e, err := c.deployedFile(ctx, stage, yocto.Kind(kind))
	if err != nil {
		return "", err
	}
	return e.Path, nil
}

// content is what an archive or image in a stage holds; each is read once.
func (c *composer) content(ctx context.Context, stage string, e *tree.Entry) (*tree.Tree, error) {
	key := stage + "\x00" + e.Path
	if t, ok := c.contents[key]; ok {
		return t, nil
	}
	if e.Type() != tree.Regular || e.Size == 0 {
		return nil, fmt.Errorf("stage %s: /%s is not a file with content", stage, e.Path)
	}
	t, err := c.archive(ctx, stage, e)
	if err == nil {
		c.contents[key] = t
	}
	return t, err
}

// deployedRoot is the root file system that is deployed, as the disk has it.
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

// ownedByRoot makes root's what belongs to the owner of the directory itself.
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

// copyDeployed copies what is deployed of a kind: to the path To, or into it
// under the name that it has without dates when that ends in a slash.
func (c *composer) copyDeployed(ctx context.Context, b *tree.Builder, t *tree.Tree, stage string, kind yocto.Kind, it *decl.Item) error {
	d, err := c.deployed(ctx, stage)
	if err != nil {
		return err
	}
	into := strings.HasSuffix(it.To, "/")
	var found []yocto.File
	if into {
		found, err = d.Files(kind)
	} else {
		var f yocto.File
		f, err = d.File(kind)
		found = []yocto.File{f}
	}
	switch {
	case it.Optional && yocto.IsMissing(err):
		return nil
	case err != nil:
		return locate(it.Places.At("from", it.Span), fmt.Errorf("stage %s: %w", stage, err))
	}
	for _, f := range found {
		if f.Note != "" {
			c.note("%s", f.Note)
		}
		e, err := t.Lookup(f.Path)
		if err != nil {
			return fmt.Errorf("stage %s: %w", stage, err)
		}
		file := *e
		if file.Path = it.To; into {
			file.Path = path.Join(it.To, f.Name)
		}
		if err := b.Add(file); err != nil {
			return err
		}
	}
	return nil
}

// modules is the tree that an initrd's modules are taken from: the stage, or
// what its from says. It sets the kernel's version and the spare busybox.
func (c *composer) modules(ctx context.Context, stage string, it *decl.Item, o *initrd.Options) (*tree.Tree, error) {
	if it.BusyboxStage != "" || it.Busybox != "" {
		t, err := c.trees.get(ctx, orDefault(it.BusyboxStage, stage))
		if err != nil {
			return nil, err
		}
		o.Spare = &initrd.Spare{Tree: t, Pattern: orDefault(it.Busybox, "/usr/bin/busybox")}
	}
	from := it.From
	if it.Kind == decl.UKIItem { // whose from is the stub
		if from = ""; strings.HasPrefix(it.Kernel, "deploy:") {
			from = "deploy:modules"
		}
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil || from == "" {
		return t, err
	}
	kind, ok := decl.DeployKind(from)
	if ok {
		t, err = c.deployedModules(ctx, stage, yocto.Kind(kind), o)
	} else {
		var e *tree.Entry
		var p string
		if p, err = onePath(t, stage, from); err == nil {
			e, err = t.Lookup(p)
		}
		if err == nil {
			t, err = c.below(ctx, stage, t, e)
		}
	}
	if err != nil {
		return nil, locate(it.Places.At("from", it.Span), err)
	}
	return t, nil
}

// below is the tree of a directory, or of an archive.
func (c *composer) below(ctx context.Context, stage string, t *tree.Tree, e *tree.Entry) (*tree.Tree, error) {
	if e.Type() == tree.Dir {
		return t.Sub(e.Path)
	}
	return c.content(ctx, stage, e)
}

// deployedModules is the tree of the deployed archive of modules, or of the root
// file system if there is no such archive. The kernel that is deployed says which
// of them are its own.
func (c *composer) deployedModules(ctx context.Context, stage string, kind yocto.Kind, o *initrd.Options) (*tree.Tree, error) {
	if _, e, err := c.deployedFile(ctx, stage, yocto.Kernel); err == nil && o.Kernel == "" && e.Size > 0 {
		o.Kernel = yocto.KernelVersion(e.Content, e.Size)
	}
	_, e, err := c.deployedFile(ctx, stage, kind)
	if kind == yocto.Modules && yocto.IsMissing(err) {
		return c.deployedRoot(ctx, stage, yocto.RootFS)
	}
	if err != nil {
		return nil, err
	}
	if kind == yocto.RootFS {
		return c.deployedRoot(ctx, stage, kind)
	}
	return c.content(ctx, stage, e)
}

// withoutInitrd is a boot menu's element without its initrd, if that is one of
// the same partition that is left out.
func (c *composer) withoutInitrd(ctx context.Context, p *decl.Partition, it *decl.Item) (*decl.Item, error) {
	for i := range p.Items {
		ram := &p.Items[i]
		if ram.Kind != decl.InitrdItem || !ram.Optional || path.Clean(ram.To) != path.Clean(it.Initrd) {
			continue
		}
		data, err := c.initrd(ctx, c.stage(ram.Stage, p), ram, ram.Kernel)
		if err != nil {
			return nil, locate(ram.Span, err)
		}
		if data == nil {
			menu := *it
			menu.Initrd = ""
			return &menu, nil
		}
	}
	return it, nil
}

// osRelease is the os-release of the system that a kernel of an element is for,
// nil if it has none.
func (c *composer) osRelease(ctx context.Context, stage string, it *decl.Item) ([]byte, error) {
	const name = "/usr/lib/os-release"
	if _, ok := decl.DeployKind(it.Kernel); !ok {
		b, err := c.file(ctx, stage, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return b, err
	}
	t, err := c.deployedRoot(ctx, stage, yocto.RootFS)
	if err != nil {
		return nil, nil // a kernel can do without a root file system
	}
	for _, p := range []string{name, "/etc/os-release"} {
		if e, err := t.Lookup(p); err == nil && e.Type() == tree.Regular {
			return []byte(textOf(e)), nil
		}
	}
	return nil, nil
}
