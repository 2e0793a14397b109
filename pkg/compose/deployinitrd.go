// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"cmp"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/initrd"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// modules is the tree from which an initrd's modules are taken: the stage, or what
// the element's from names. It sets the kernel's version and the spare busybox.
func (c *composer) modules(ctx context.Context, stage string, it *decl.InitrdItem, o *initrd.Options) (*tree.Tree, error) {
	if it.BusyboxStage != "" || it.Busybox != "" {
		t, err := c.trees.get(ctx, cmp.Or(it.BusyboxStage, stage))
		if err != nil {
			return nil, err
		}
		o.Spare = &initrd.Spare{Tree: t, Pattern: cmp.Or(it.Busybox, "/usr/bin/busybox")}
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil || it.From == "" {
		return t, err
	}
	kind, ok := decl.DeployKind(it.From)
	if ok {
		t, err = c.deployedModules(ctx, stage, yocto.Kind(kind), o)
	} else {
		var e *tree.Entry
		var p string
		if p, err = onePath(t, stage, it.From); err == nil {
			e, err = t.Lookup(p)
		}
		if err == nil {
			t, err = c.below(ctx, stage, t, e)
		}
	}
	if err != nil {
		return nil, locate(it.At("from"), err)
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
// file system if there is no such archive. The deployed kernel tells which of the
// modules are its own.
func (c *composer) deployedModules(ctx context.Context, stage string, kind yocto.Kind, o *initrd.Options) (*tree.Tree, error) {
	if _, e, err := c.deployedFile(ctx, stage, yocto.Kernel); err == nil && o.Kernel == "" && e.Size > 0 {
		o.Kernel = yocto.KernelVersion(e.Content, e.Size)
	}
	_, e, err := c.deployedFile(ctx, stage, kind)
	o.Searched = "the root file system"
	if kind == yocto.Modules && yocto.IsMissing(err) {
		o.Searched += ", and no modules-*.tgz is deployed"
		return c.deployedRoot(ctx, stage, yocto.RootFS)
	}
	if err != nil {
		return nil, err
	}
	if kind == yocto.RootFS {
		return c.deployedRoot(ctx, stage, kind)
	}
	o.Searched = path.Base(e.Path)
	return c.content(ctx, stage, e)
}

// menuInitrd is the initrd that a boot menu names, or "" if it is an item of the
// same partition that is left out.
func (c *composer) menuInitrd(ctx context.Context, p *decl.Partition, m decl.Menu) (string, error) {
	for _, it := range p.Items {
		ram, ok := it.(*decl.InitrdItem)
		if !ok || !ram.Optional || path.Clean(ram.To) != path.Clean(m.Initrd) {
			continue
		}
		data, err := c.initrd(ctx, c.stage(ram.Stage, p), ram)
		if err != nil {
			return "", locate(ram.Span, err)
		}
		if data == nil {
			return "", nil
		}
	}
	return m.Initrd, nil
}

// maxRelease bounds an os-release in bytes.
const maxRelease = 64 << 10

// osRelease is the os-release of the system that an element's kernel is for, or nil
// if it has none.
func (c *composer) osRelease(ctx context.Context, stage string, it *decl.UKIItem) ([]byte, error) {
	const name = "/usr/lib/os-release"
	if _, ok := decl.DeployKind(it.Kernel); !ok {
		b, err := c.file(ctx, stage, name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return b, err
	}
	t, err := c.deployedRoot(ctx, stage, yocto.RootFS)
	if yocto.IsMissing(err) { // a kernel can do without a root file system
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	for _, p := range []string{name, "/etc/os-release"} {
		if e, err := t.Lookup(p); err == nil && e.Type() == tree.Regular && e.Content != nil {
			return io.ReadAll(io.NewSectionReader(e.Content, 0, min(e.Size, maxRelease)))
		}
	}
	return nil, nil
}
