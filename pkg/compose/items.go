// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/grub"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/initrd"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/disk/uboot"
	"github.com/carosio/carosbuild/pkg/disk/uki"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// item puts the files that an element describes on the file system.
func (c *composer) item(ctx context.Context, b *tree.Builder, p *decl.Partition, it decl.Item) error {
	switch it := it.(type) {
	case *decl.CopyItem:
		return c.copyItem(ctx, b, c.stage(it.Stage, p), it)
	case *decl.FileItem:
		return c.put(b, it.To, uint32(it.Mode), []byte(it.Text))
	case *decl.InitrdItem:
		data, err := c.initrd(ctx, c.stage(it.Stage, p), it)
		if err != nil || data == nil {
			return err
		}
		return c.put(b, it.To, 0o644, data)
	case *decl.LoaderItem:
		initrd, err := c.menuInitrd(ctx, p, it.Menu)
		if err != nil {
			return err
		}
		return c.loader(b, p, it.Menu, initrd)
	case *decl.ExtlinuxItem:
		initrd, err := c.menuInitrd(ctx, p, it.Menu)
		if err != nil {
			return err
		}
		return c.extlinux(b, it, initrd)
	case *decl.UKIItem:
		data, err := c.uki(ctx, c.stage(it.Stage, p), it)
		if err != nil {
			return err
		}
		return c.put(b, it.To, 0o644, data)
	case *decl.BootscriptItem:
		return c.put(b, it.To, 0o644, uboot.Script([]byte(it.Text), it.Name, c.mtime))
	}
	return fmt.Errorf("unknown item %q", it.Kind())
}

// put adds a file with the given content.
func (c *composer) put(b *tree.Builder, to string, mode uint32, data []byte) error {
	e := tree.Entry{Path: to, Mode: tree.Regular | mode, Mtime: c.mtime, Size: int64(len(data))}
	if len(data) > 0 {
		e.Content = image.Bytes(data)
	}
	return b.Add(e)
}

// copyItem copies what a path or pattern in a stage matches. One file goes to the
// path To, or into it if that ends in a slash; several files, and directories, go
// into it.
func (c *composer) copyItem(ctx context.Context, b *tree.Builder, stage string, it *decl.CopyItem) error {
	if kind, ok := decl.DeployKind(it.From); ok {
		return c.copyDeployed(ctx, b, stage, yocto.Kind(kind), it)
	}
	t, err := c.trees.get(ctx, stage)
	if err != nil {
		return err
	}
	paths, err := t.Glob(it.From)
	if it.Optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
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
func (c *composer) loader(b *tree.Builder, p *decl.Partition, menu decl.Menu, initrd string) error {
	m := grub.Menu{
		Title: cmp.Or(menu.Title, c.disk.ID), Kernel: cmp.Or(menu.Kernel, "/vmlinuz"), Initrd: initrd,
		Cmdline: menu.Cmdline, Timeout: int(menu.Timeout / time.Second),
	}
	entry := c.disk.ID + ".conf"
	text, err := grub.LoaderEntry(m)
	if err != nil {
		return err
	}
	files := []struct{ path, text string }{{"/loader/loader.conf", grub.LoaderConfig(m, entry)}, {"/loader/entries/" + entry, text}}
	if text, err = grub.Config(m); err != nil {
		return err
	}
	if c.disk.BIOS != nil {
		files = append(files, struct{ path, text string }{"/grub/grub.cfg", text})
	}
	if hasGRUB(p) {
		files = append(files, struct{ path, text string }{"/EFI/BOOT/grub.cfg", text})
	}
	for _, f := range files {
		if err := c.put(b, f.path, 0o644, []byte(f.text)); err != nil {
			return err
		}
	}
	return nil
}

// hasGRUB reports whether a partition has the GRUB for EFI that bitbake deploys,
// which looks for its menu in its own directory (EFIDIR of OE-core).
func hasGRUB(p *decl.Partition) bool {
	return slices.ContainsFunc(p.Items, func(it decl.Item) bool {
		c, ok := it.(*decl.CopyItem)
		if !ok {
			return false
		}
		kind, ok := decl.DeployKind(c.From)
		return ok && yocto.Kind(kind) == yocto.GRUB
	})
}

// initrd composes an initrd once for each element. It is nil if the element is
// optional and the kernel needs none.
func (c *composer) initrd(ctx context.Context, stage string, it *decl.InitrdItem) ([]byte, error) {
	if data, ok := c.initrds[it.Span]; ok {
		return data, nil
	}
	o := initrd.Options{Kernel: it.Kernel, Modules: it.Modules, Programs: it.Programs, Compression: it.Compression}
	t, err := c.modules(ctx, stage, it, &o)
	if err != nil {
		return nil, err
	}
	if it.Optional {
		why, err := initrd.Unneeded(t, o)
		if err != nil {
			return nil, fmt.Errorf("stage %s: %w", stage, err)
		}
		if why != "" {
			c.note("%s is left out: %s", it.To, why)
			c.initrds[it.Span] = nil
			return nil, nil
		}
	}
	data, err := initrd.Build(t, o)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	c.initrds[it.Span] = data
	return data, nil
}

// extlinux writes u-boot's menu.
func (c *composer) extlinux(b *tree.Builder, it *decl.ExtlinuxItem, initrd string) error {
	text, err := uboot.Extlinux(uboot.Entry{
		Label: c.disk.ID, Title: it.Title, Linux: it.Kernel, Initrd: initrd, FDT: it.FDT, Append: it.Cmdline, Timeout: int(it.Timeout / (time.Second / 10)),
	})
	if err != nil {
		return err
	}
	return c.put(b, it.To, 0o644, []byte(text))
}

// uki combines stub, kernel, initrd and command line.
func (c *composer) uki(ctx context.Context, stage string, it *decl.UKIItem) ([]byte, error) {
	stub, err := c.file(ctx, stage, it.Stub)
	if err != nil {
		return nil, locate(it.At("stub"), err)
	}
	kernel, err := c.file(ctx, stage, it.Kernel)
	if err != nil {
		return nil, locate(it.At("kernel"), err)
	}
	ram, err := c.initrd(ctx, stage, ukiInitrd(it))
	if err != nil {
		return nil, err
	}
	release, err := c.osRelease(ctx, stage, it)
	if err != nil {
		return nil, err
	}
	sections := []uki.Section{
		{Name: ".cmdline", Data: append([]byte(it.Cmdline), 0)},
		{Name: ".linux", Data: kernel},
		{Name: ".initrd", Data: ram},
	}
	if len(release) > 0 {
		sections = append([]uki.Section{{Name: ".osrel", Data: release}}, sections...)
	}
	return uki.Build(stub, sections)
}

// ukiInitrd is the initrd in a UKI, composed as its own element would be: for a
// deployed kernel, with the deployed modules.
func ukiInitrd(it *decl.UKIItem) *decl.InitrdItem {
	ram := &decl.InitrdItem{Element: it.Element, Ramdisk: it.Ramdisk, To: it.To}
	if strings.HasPrefix(it.Kernel, "deploy:") {
		ram.From = "deploy:modules"
	}
	return ram
}

// rootHash matches a reference to the root hash of a verified partition.
var rootHash = lazyregexp.New(`\{roothash:([^{}]*)\}`)

// namesRoot reports whether an element refers to a root hash.
func namesRoot(it decl.Item) bool {
	_, text := fillable(it)
	return text != nil && rootHash().MatchString(*text)
}

// fillable returns a copy of an element, and the text in it that may refer to root
// hashes and PARTUUIDs, or nil.
func fillable(it decl.Item) (decl.Item, *string) {
	switch it := it.(type) {
	case *decl.FileItem:
		out := *it
		return &out, &out.Text
	case *decl.BootscriptItem:
		out := *it
		return &out, &out.Text
	case *decl.LoaderItem:
		out := *it
		return &out, &out.Cmdline
	case *decl.ExtlinuxItem:
		out := *it
		return &out, &out.Cmdline
	case *decl.UKIItem:
		out := *it
		return &out, &out.Cmdline
	}
	return it, nil
}

// fillRoots replaces references to root hashes by their values.
func fillRoots(s string, roots map[string]string) (string, error) {
	var err error
	out := rootHash().ReplaceAllStringFunc(s, func(m string) string {
		name := rootHash().FindStringSubmatch(m)[1]
		hash, ok := roots[name]
		if !ok {
			err = fmt.Errorf("%s: no partition with fs=\"verity\" verifies %q", m, name)
		}
		return hash
	})
	return out, err
}
