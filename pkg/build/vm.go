// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/ova"
)

// machine is the virtual machine that a disk is for: what its <vm> says, and
// otherwise one network interface, and the firmware that the disk boots with.
func machine(d *decl.Disk) (*ova.VM, error) {
	vm := &ova.VM{NICs: 1, Firmware: "efi"}
	if d.BIOS != nil {
		vm.Firmware = "bios"
	}
	if d.VM == nil {
		return vm, nil
	}
	v := d.VM
	vm.Name, vm.Product, vm.ProductURL = v.Name, v.Product, v.ProductURL
	vm.Vendor, vm.VendorURL, vm.Version = v.Vendor, v.VendorURL, v.Version
	vm.Controller, vm.Hardware, vm.Guest = ova.Controller(v.Controller), strings.Join(v.Hardware, " "), v.Guest
	vm.Firmware = orDefault(v.Firmware, vm.Firmware)
	vm.EULA, vm.Annotation = v.EULA, v.Annotation
	if v.Network != "" {
		vm.Networks = []string{v.Network}
	}
	var err error
	if v.Cores != "" {
		if vm.Cores, err = strconv.Atoi(v.Cores); err != nil {
			return nil, finding(v.Places.At("cores", v.Span), fmt.Errorf("cores %q is not a number", v.Cores))
		}
	}
	if v.NICs != "" {
		if vm.NICs, err = strconv.Atoi(v.NICs); err != nil {
			return nil, finding(v.Places.At("nics", v.Span), fmt.Errorf("nics %q is not a number", v.NICs))
		}
	}
	if v.Memory != "" {
		if vm.Memory, err = disk.ParseSize(v.Memory); err != nil {
			return nil, finding(v.Places.At("memory", v.Span), err)
		}
	}
	for _, size := range v.DataDisks {
		n, err := disk.ParseSize(size)
		if err != nil {
			return nil, finding(v.Span, err)
		}
		vm.DataDisks = append(vm.DataDisks, n)
	}
	if err := vm.Check(); err != nil {
		return nil, finding(v.Span, err)
	}
	return vm, nil
}
