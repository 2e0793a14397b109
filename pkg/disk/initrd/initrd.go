// SPDX-License-Identifier: MPL-2.0

// Package initrd composes a small initial RAM disk from a root file system: a
// static busybox, the kernel modules that are needed to reach the root device, with
// their dependencies in load order, and a /init that loads them, finds the root
// device, mounts it, through dm-verity and below an overlay if requested, and
// starts its init. LVM, RAID, encryption, network roots and firmware files are left
// out.
package initrd

import (
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Options of Build.
type Options struct {
	Kernel      string   // kernel version; "" if lib/modules has exactly one
	Modules     []string // names or aliases, which get their dependencies; "NAME?" may be missing; none means DefaultModules
	Programs    []string // paths of programs to include in /bin, with their libraries
	Busybox     string   // path in the tree; "" tries the usual ones
	Searched    string   // which deployed part the tree is, for messages; "" for a stage
	Spare       *Spare   // where else busybox may be, or nil
	Compression string   // gzip (""), or zstd for kernels from 5.9 on
}

// DefaultModules are the modules for a root file system on ext4 on the disks of
// common 64-bit PCs, virtual and real. Kernels differ in which of them they have,
// so each may be missing.
func DefaultModules() []string {
	return strings.Fields(`ext4? sd_mod? sr_mod? ahci? ata_piix?
		vmw_pvscsi? mptspi? mptsas? sym53c8xx? virtio_pci? virtio_blk? virtio_scsi? nvme?`)
}

// Build makes the initrd from the stage's root file system. The same tree and
// options give the same bytes.
func Build(t *tree.Tree, o Options) ([]byte, error) {
	files := newLookup(t)
	version, err := kernelVersion(files, o)
	if err != nil {
		return nil, err
	}
	if err := checkCompression(o.Compression, version); err != nil {
		return nil, err
	}
	modules, err := resolve(files, version, wanted(o))
	if err != nil {
		return nil, err
	}
	busybox, err := busyboxFor(files, o, modules)
	if err != nil {
		return nil, err
	}
	extra, err := programs(files, o.Programs)
	if err != nil {
		return nil, err
	}
	c := &cpio{}
	for _, dir := range directories(extra) {
		c.add(entry{name: dir, mode: tree.Dir | 0o755})
	}
	c.add(entry{name: "dev/console", mode: tree.Char | 0o600, rdev: tree.Device{Major: 5, Minor: 1}})
	c.add(entry{name: "bin/busybox", mode: tree.Regular | 0o755, data: busybox})
	for _, applet := range applets() {
		c.add(entry{name: "bin/" + applet, mode: tree.Symlink | 0o777, data: []byte("busybox")})
	}
	for _, e := range extra {
		c.add(e)
	}
	var list strings.Builder
	for _, m := range modules {
		c.add(entry{name: "m/" + m.name + ".ko", mode: tree.Regular | 0o644, data: m.data})
		list.WriteString(m.name + "\n")
	}
	c.add(entry{name: "m/order", mode: tree.Regular | 0o644, data: []byte(list.String())})
	c.add(entry{name: "init", mode: tree.Regular | 0o755, data: []byte(initScript)})
	return compress(c.finish(), o.Compression)
}

// directories are the directories of the initrd, including the parents of its
// entries.
func directories(entries []entry) []string {
	dirs := map[string]bool{}
	for _, d := range []string{"bin", "dev", "lower", "m", "proc", "root", "run", "sys", "upper"} {
		dirs[d] = true
	}
	for _, e := range entries {
		for d := path.Dir(e.name); d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	return slices.Sorted(maps.Keys(dirs))
}

// kernelVersion is the directory of lib/modules to use.
func kernelVersion(files lookup, o Options) (string, error) {
	var found []string
	for _, name := range files.list("lib/modules") {
		for _, mark := range []string{"/modules.dep", "/modules.builtin", "/kernel"} { // an archive of modules alone has no list yet
			if _, ok := files.find("lib/modules/" + name + mark); ok {
				found = append(found, name)
				break
			}
		}
	}
	in := ""
	if o.Searched != "" {
		in = " of " + o.Searched
	}
	switch {
	case len(found) == 0 && o.Kernel == "":
		return "", fmt.Errorf("%w: /lib/modules%s has no directory with a modules.dep", errNoKernel, in)
	case len(found) == 0:
		return "", fmt.Errorf("%w: there are no modules in /lib/modules%s (wanted: those of kernel %s)", errNoKernel, in, o.Kernel)
	case slices.Contains(found, o.Kernel):
		return o.Kernel, nil
	case o.Kernel != "":
		return "", fmt.Errorf("no modules of kernel %s in /lib/modules%s; there are: %s", o.Kernel, in, strings.Join(found, ", "))
	case len(found) == 1:
		return found[0], nil
	}
	return "", fmt.Errorf("the stage has several kernels: name one of %s", strings.Join(found, ", "))
}

// findBusybox reads busybox and checks that it needs no libraries.
func findBusybox(files lookup, want string) ([]byte, error) {
	candidates := []string{"bin/busybox", "usr/bin/busybox", "bin/busybox.static", "usr/lib/busybox/busybox-static"}
	if want != "" {
		candidates = []string{want}
	}
	for _, p := range candidates {
		e, ok := files.find(p)
		if !ok || e.Type() != tree.Regular {
			continue
		}
		b, err := read(e)
		if err != nil {
			return nil, err
		}
		f, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("/%s is not a program for Linux: %w", e.Path, err)
		}
		for _, s := range f.Progs {
			if s.Type == elf.PT_INTERP {
				return nil, fmt.Errorf("/%s needs shared libraries, which an initrd does not have: %w", e.Path, errNoBusybox)
			}
		}
		return b, nil
	}
	return nil, fmt.Errorf("no busybox in the stage (looked for /%s): %w", strings.Join(candidates, ", /"), errNoBusybox)
}

func checkCompression(name, version string) error {
	switch name {
	case "", "gzip":
		return nil
	case "zstd":
		var major, minor int
		if n, _ := fmt.Sscanf(version, "%d.%d", &major, &minor); n == 2 && (major > 5 || major == 5 && minor >= 9) {
			return nil
		}
		return fmt.Errorf("kernel %s cannot read an initrd in zstd, which came with 5.9", version)
	}
	return fmt.Errorf("compression %q of the initrd is neither gzip nor zstd", name)
}

func compress(b []byte, name string) ([]byte, error) {
	if name == "zstd" {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
		if err != nil {
			return nil, err
		}
		return w.EncodeAll(b, nil), w.Close()
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, 6) // the time in the header stays 0
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(b); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// baseName is a module's name: the file's without .ko and the extension of a
// compression, with underscores in place of dashes, as the kernel compares them.
func baseName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return name
}
