// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/yocto"
)

// machineOf is machine, with the disc in its drive.
func (c *composer) machineOf(ctx context.Context) (*ova.VM, error) {
	vm, err := machine(c.disk)
	if err != nil || c.disk.VM == nil || c.disk.VM.CDROM == nil {
		return vm, err
	}
	d := c.disk.VM.CDROM
	stage := cmp.Or(d.Stage, c.disk.Stage)
	e, err := c.entry(ctx, stage, d.From)
	if err != nil {
		return nil, locate(d.Span, err)
	}
	name := e.Name()
	if kind, ok := decl.DeployKind(d.From); ok { // name of the link, which has no date
		if f, _, err := c.deployedFile(ctx, stage, yocto.Kind(kind)); err == nil {
			name = f.Name
		}
	}
	if !iso.Detect(e.Content) {
		return nil, mistake(d.Span, fmt.Errorf("/%s is not an ISO 9660 image", e.Path))
	}
	vm.CDROM = &ova.Disc{Name: name, Size: e.Size, Content: e.Content}
	return vm, nil
}

// emptyDisk is a blank disk. Its identifiers are derived from its name and from the
// stage, if it has one.
func (c *composer) emptyDisk(ctx context.Context) (*DiskImage, error) {
	seed := []byte(c.disk.ID + "\x00")
	if c.disk.Stage != "" {
		root, err := c.root(ctx, c.disk.Stage)
		if err != nil {
			return nil, err
		}
		digest := disk.TreeDigest(root)
		c.mtime, seed = root.Newest(), append(seed, digest[:]...)
	}
	if e := c.Epoch; e != nil {
		c.mtime = *e
	}
	m, err := image.New(c.disk.Size, nil)
	if err != nil {
		return nil, mistake(c.disk.Places.At("size", c.disk.Span), err)
	}
	vm, err := c.machineOf(ctx)
	if err != nil {
		return nil, err
	}
	c.noteDeployed()
	img := &DiskImage{Layout: &disk.Layout{Image: m}, Seed: seed, VM: vm, Time: c.mtime, id: c.disk.ID}
	img.disc = func(context.Context) ([]byte, error) {
		return nil, fmt.Errorf("disk %s is empty: it cannot be written as a disc", c.disk.ID)
	}
	return img, nil
}

// noteDisc says that none of the outputs can contain the ISO of <cdrom>.
func (c *Composer) noteDisc(img *DiskImage, outs []disk.Output) {
	if img.VM == nil || img.VM.CDROM == nil || slices.ContainsFunc(outs, func(o disk.Output) bool {
		f, err := disk.FormatFor(string(o.Format), o.Path)
		return err == nil && f.Machine()
	}) {
		return
	}
	c.event(progress.Event{Kind: progress.Note, Text: fmt.Sprintf("disk %s: the ISO of <cdrom> (%s) is left out: only an OVA can contain it", img.id, img.VM.CDROM.Name)})
}

// CheckMachine reports mistakes in a disk's <vm>, before anything is built.
func CheckMachine(d *decl.Disk) error {
	_, err := machine(d)
	return err
}

// machine is the virtual machine that a disk is for: as its <vm> says; the defaults
// are one network interface, and the firmware that the disk boots with.
func machine(d *decl.Disk) (*ova.VM, error) {
	vm := &ova.VM{NICs: 1, Firmware: "efi", Empty: d.Empty}
	v := d.VM
	if d.BIOS != nil || d.Empty {
		vm.Firmware = "bios"
	}
	if v == nil {
		return vm, nil
	}
	if vm.Profile, vm.Manifest = ova.Profile(v.Profile), v.Manifest; vm.Profile == ova.Classic {
		vm.NICs, vm.Firmware = 3, "bios"
	}
	vm.Name, vm.Product, vm.ProductURL = v.Name, v.Product, v.ProductURL
	vm.Vendor, vm.VendorURL, vm.Version = v.Vendor, v.VendorURL, v.Version
	vm.Controller, vm.Hardware, vm.Guest = ova.Controller(v.Controller), hardware(v.Hardware), v.Guest
	vm.Firmware = cmp.Or(v.Firmware, vm.Firmware)
	vm.EULA, vm.Annotation = v.EULA, v.Annotation
	if v.Network != "" {
		vm.Networks = []string{v.Network}
	}
	vm.Cores, vm.Memory, vm.DataDisks = v.Cores, v.Memory, v.DataDisks
	if v.NICs != nil {
		vm.NICs = *v.NICs
	}
	if err := vm.Check(); err != nil {
		return nil, mistake(v.Span, err)
	}
	return vm, nil
}

// hardware is a list of versions of virtual hardware, as an OVA has it.
func hardware(versions []int) string {
	words := make([]string, len(versions))
	for i, v := range versions {
		words[i] = fmt.Sprintf("vmx-%02d", v)
	}
	return strings.Join(words, " ")
}
