// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/debfile"
	"github.com/carosio/carosbuild/pkg/disk/initrd"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/vm/delta"
)

// Kernel is a kernel with its modules, as in a root file system: boot/vmlinuz-VERSION and
// lib/modules/VERSION.
type Kernel struct {
	Tree    *tree.Tree
	Version string
	close   func() error
}

// Close closes the source of the tree.
func (k *Kernel) Close() error {
	if k.close == nil {
		return nil
	}
	return k.close()
}

// ErrNoKernel says that no kernel can be read.
var ErrNoKernel = errors.New("there is no kernel that this account can read")

// modules are the modules that a guest needs. A missing one may be built into the kernel.
func modules() []string {
	return strings.Fields("virtio_pci? virtio_blk? virtio_console? virtio_net? virtio_rng? ext4? crc32c_generic? crc32c_intel? binfmt_misc?")
}

// KernelOf returns the kernel of a tree, the latest if there are several.
func KernelOf(t *tree.Tree) (*Kernel, error) {
	if _, err := t.Lookup("lib"); err != nil { // a package with files only in usr/lib
		t = t.With([]tree.Entry{{Path: "lib", Mode: tree.Symlink | 0o777, Link: "usr/lib"}})
	}
	var versions []string
	for _, name := range t.Names("boot") {
		if v, ok := strings.CutPrefix(name, "vmlinuz-"); ok {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	for _, v := range slices.Backward(versions) {
		if _, err := t.Lookup("lib/modules/" + v); err == nil {
			return &Kernel{Tree: t, Version: v}, nil
		}
	}
	return nil, ErrNoKernel
}

// KernelOfHost returns a kernel below a root directory, "/" for this machine: the latest in
// its boot directory that this account can read and that has its modules.
func KernelOfHost(ctx context.Context, root string) (*Kernel, error) {
	for _, version := range slices.Backward(hostVersions(root)) {
		f, err := os.Open(filepath.Join(root, "boot/vmlinuz-"+version))
		if err != nil {
			continue // only root can read Ubuntu's kernels
		}
		k, err := hostKernel(ctx, root, version, f)
		if err == nil {
			return k, nil
		}
		if err := errors.Join(f.Close(), ctx.Err()); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w in %s", ErrNoKernel, filepath.Join(root, "boot"))
}

func hostKernel(ctx context.Context, root, version string, image *os.File) (*Kernel, error) {
	st, err := image.Stat()
	if err != nil {
		return nil, err
	}
	dir, err := tree.OpenDir(filepath.Join(root, "lib/modules", version))
	if err != nil {
		return nil, err
	}
	t, err := dir.Read(ctx, 0, 1)
	if err == nil {
		b := tree.NewBuilder(0)
		err = b.AddTree("lib/modules/"+version, t)
		if err == nil {
			err = b.Add(tree.Entry{Path: "boot/vmlinuz-" + version, Mode: tree.Regular | 0o644, Size: st.Size(), Content: image})
		}
		if err == nil {
			t, err = b.Tree()
		}
	}
	if err != nil {
		return nil, errors.Join(err, dir.Close())
	}
	return &Kernel{Tree: t, Version: version, close: func() error { return errors.Join(dir.Close(), image.Close()) }}, nil
}

// KernelOfPackage returns the kernel of a Debian package, such as
// linux-image-6.1.0-57-cloud-amd64. The parts that a guest needs are kept in a file in dir,
// so that the large package is unpacked only once.
func KernelOfPackage(ctx context.Context, deb, dir string) (*Kernel, error) {
	name, err := keptName(deb, dir)
	if err != nil {
		return nil, err
	}
	k, err := keptKernel(ctx, name)
	if !errors.Is(err, os.ErrNotExist) {
		return k, err
	}
	all, err := unpacked(ctx, deb, dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", deb, err)
	}
	err = all.keep(ctx, name)
	if err = errors.Join(err, all.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", deb, err)
	}
	return keptKernel(ctx, name)
}

// KernelDir is the directory below dir for kernels of KernelOfPackage that have what this
// program's guests need.
func KernelDir(dir string) string {
	sum := sha256.Sum256([]byte(strings.Join(modules(), "\n")))
	return filepath.Join(dir, hex.EncodeToString(sum[:4]))
}

// KernelOfCache returns the latest kernel that KernelOfPackage has left in a KernelDir.
// Without one the error is fs.ErrNotExist.
func KernelOfCache(ctx context.Context, dir string) (*Kernel, error) {
	name, err := LookInCache(dir)
	if err != nil {
		return nil, err
	}
	return keptKernel(ctx, name)
}

// keptName is the file for the needed parts of a package.
func keptName(deb, dir string) (string, error) {
	f, err := os.Open(deb)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	for _, m := range modules() { // another version of this program may need more
		fmt.Fprintln(sum, m)
	}
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return filepath.Join(dir, fmt.Sprintf("kernel-%x.tar", sum.Sum(nil)[:16])), nil
}

func keptKernel(ctx context.Context, name string) (*Kernel, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	k, err := tarKernel(ctx, f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return k, nil
}

// tarKernel reads the kernel of an archive.
func tarKernel(ctx context.Context, f *os.File) (*Kernel, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	t, err := tree.Merge(ctx, []tree.Layer{{Name: f.Name(), Tar: f, Size: st.Size(), Plain: true}}, 0, 1)
	if err != nil {
		return nil, err
	}
	k, err := KernelOf(t)
	if err != nil {
		return nil, err
	}
	k.close = f.Close
	return k, nil
}

// unpacked unpacks the kernel of a package to a file without a name.
func unpacked(ctx context.Context, deb, scratch string) (k *Kernel, err error) {
	f, err := os.Open(deb)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	p, err := debfile.OpenDeb(f, st.Size(), debfile.DefaultLimits())
	if err != nil {
		return nil, err
	}
	name, _, data, err := p.StoredData()
	if err != nil {
		return nil, err
	}
	plain, err := debfile.Decompress(name, data)
	if err != nil {
		return nil, err
	}
	defer plain.Close()
	tar, err := freshfile.Scratch(scratch)
	if err != nil {
		return nil, err
	}
	limit := debfile.DefaultLimits().Unpacked
	n, err := io.Copy(tar, io.LimitReader(plain, limit))
	if err == nil && n == limit {
		err = debfile.ErrLimit
	}
	if err == nil {
		k, err = tarKernel(ctx, tar)
	}
	if err != nil {
		return nil, errors.Join(err, tar.Close())
	}
	return k, nil
}

// keep writes what a guest needs to an archive.
func (k *Kernel) keep(ctx context.Context, name string) (err error) {
	files, err := initrd.Needed(k.Tree, initrd.Options{Kernel: k.Version, Modules: modules()})
	if err != nil {
		return err
	}
	var out []delta.Change
	for _, path := range append([]string{"boot/vmlinuz-" + k.Version}, files...) {
		e, err := k.Tree.Lookup(path)
		if err != nil {
			return err
		}
		file := *e // its Path may be a different name
		file.Path = path
		out = append(out, delta.Change{Path: path, Entry: &file})
	}
	f, err := freshfile.Create(filepath.Dir(name), "kernel-")
	if err != nil {
		return err
	}
	return freshfile.Rename(f, name, false, delta.WriteTar(ctx, f, out, delta.TarOptions{}))
}

// image reads the kernel itself.
func (k *Kernel) image() ([]byte, error) {
	e, err := k.Tree.Lookup("boot/vmlinuz-" + k.Version)
	if err != nil {
		return nil, err
	}
	return contentOf(e)
}

func contentOf(e *tree.Entry) ([]byte, error) {
	var b bytes.Buffer
	if e.Size == 0 {
		return nil, nil
	}
	_, err := io.Copy(&b, io.NewSectionReader(e.Content, 0, e.Size))
	return b.Bytes(), err
}

// initrd makes the initial RAM disk with a program as its first process. It is not
// compressed: an emulated guest would take seconds to unpack it.
func (k *Kernel) initrd(init []byte, files map[string][]byte) ([]byte, error) {
	return initrd.BuildOwn(k.Tree, initrd.Options{Kernel: k.Version, Modules: modules(), Compression: "none"}, init, files)
}
