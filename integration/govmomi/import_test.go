// SPDX-License-Identifier: MPL-2.0

// Package govmomi imports appliances with VMware's own client library into its
// simulator. It is a module of its own, so that the program does not depend on
// that library.
//
// The simulator checks neither sums nor disks, and its import knows SCSI alone
// and ignores the firmware: ova.Check, and the library's own translation of a
// descriptor into a virtual machine, stand in for it.
package govmomi

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/ovf/importer"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
)

const capacity = 64 << 20

// machine is the one that CarOS had, with a data disk.
func machine() ova.VM {
	return ova.VM{
		Name: "CarOS & friends", Product: "CarOS", Vendor: "Travelping GmbH", Version: "25.11", Cores: 2, Memory: 8 << 30, NICs: 3,
		Networks: []string{"Management", "Traffic"}, DataDisks: []int64{120 << 30}, Firmware: "efi", EULA: "You may.", Annotation: "a router",
	}
}

func write(t *testing.T, vm ova.VM) string {
	t.Helper()
	data := image.Bytes(bytes.Repeat([]byte("carrier "), 100000))
	m, err := image.New(capacity, []image.Extent{{Off: 1 << 20, Len: int64(len(data)), Src: data}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "caros.ova"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ova.Write(t.Context(), f, m, vm, ova.Options{Name: "caros"}), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// imported is the virtual machine that the simulator made of an archive.
func imported(t *testing.T, path string, check func(mo.VirtualMachine, object.VirtualDeviceList)) {
	t.Helper()
	simulator.Test(func(ctx context.Context, c *vim25.Client) {
		finder := find.NewFinder(c)
		dc, err := finder.DefaultDatacenter(ctx)
		if err != nil {
			t.Fatal(err)
		}
		finder.SetDatacenter(dc)
		imp := importer.Importer{
			Client: c, Finder: finder, Datacenter: dc, Log: func(s string) (int, error) { t.Log(strings.TrimSpace(s)); return len(s), nil },
			Archive: &importer.TapeArchive{Path: path, Opener: importer.Opener{Client: c}},
		}
		if imp.Datastore, err = finder.DefaultDatastore(ctx); err != nil {
			t.Fatal(err)
		}
		if imp.ResourcePool, err = finder.ResourcePool(ctx, "*/Resources"); err != nil {
			if imp.ResourcePool, err = finder.ResourcePool(ctx, "DC0_C0/Resources"); err != nil {
				t.Fatal(err)
			}
		}
		folders, err := dc.Folders(ctx)
		if err != nil {
			t.Fatal(err)
		}
		imp.Folder = folders.VmFolder
		ref, err := imp.Import(ctx, "*.ovf", importer.Options{})
		if err != nil {
			t.Fatalf("import: %v", err)
		}
		vm := object.NewVirtualMachine(c, *ref)
		var props mo.VirtualMachine
		if err := vm.Properties(ctx, *ref, []string{"name", "config"}, &props); err != nil {
			t.Fatal(err)
		}
		check(props, object.VirtualDeviceList(props.Config.Hardware.Device))
	})
}

func TestImport(t *testing.T) {
	want := machine()
	imported(t, write(t, want), func(vm mo.VirtualMachine, devices object.VirtualDeviceList) {
		h := vm.Config.Hardware
		if vm.Name != want.Name || int(h.NumCPU) != want.Cores || int64(h.MemoryMB)<<20 != want.Memory {
			t.Errorf("%q with %d cores and %d MB", vm.Name, h.NumCPU, h.MemoryMB)
		}
		if vm.Config.GuestId != "debian10_64Guest" || vm.Config.Version != "vmx-13" {
			t.Errorf("guest %s, hardware %s", vm.Config.GuestId, vm.Config.Version)
		}
		if n := len(devices.SelectByType((*types.VirtualVmxnet3)(nil))); n != want.NICs {
			t.Errorf("%d VMXNET3 interfaces, want %d", n, want.NICs)
		}
		checkDisks(t, devices, (*types.ParaVirtualSCSIController)(nil), capacity, want.DataDisks[0])
		p := vm.Config.VAppConfig.GetVmConfigInfo().Product
		if len(p) != 1 || p[0].Name != want.Product || p[0].Vendor != want.Vendor || p[0].Version != want.Version {
			t.Errorf("products %+v", p)
		}
	})
}

// classic is the machine of redomat's appliances: empty disks, and an installer in
// the drive.
func classic(iso []byte) ova.VM {
	return ova.VM{
		Profile: ova.Classic, Manifest: "sha1", Empty: true, Product: "CarOS", Version: "16.04", NICs: 3, DataDisks: []int64{120 << 30},
		CDROM: &ova.Disc{Name: "live.iso", Size: int64(len(iso)), Content: bytes.NewReader(iso)},
	}
}

// TestImportClassic imports it, as the simulator knows it: with all its disks.
func TestImportClassic(t *testing.T) {
	want := classic(bytes.Repeat([]byte("live "), 100000))
	want.Hardware = "vmx-08" // the simulator takes no list
	imported(t, write(t, want), func(vm mo.VirtualMachine, devices object.VirtualDeviceList) {
		if vm.Name != "CarOS-16.04_vAPP" || vm.Config.GuestId != "otherGuest64" {
			t.Errorf("%q with guest %s", vm.Name, vm.Config.GuestId)
		}
		if n := len(devices.SelectByType((*types.VirtualVmxnet3)(nil))); n != want.NICs {
			t.Errorf("%d VMXNET3 interfaces, want %d", n, want.NICs)
		}
		if n := len(devices.SelectByType((*types.VirtualCdrom)(nil))); n < 1 {
			t.Error("no CD-ROM drive")
		}
		checkDisks(t, devices, (*types.ParaVirtualSCSIController)(nil), capacity, want.DataDisks[0])
	})
}

// TestTranslateClassic has the library translate its descriptor strictly.
func TestTranslateClassic(t *testing.T) {
	vm := classic([]byte("x"))
	text, err := ova.Descriptor(vm, []ova.Disk{{File: "a.vmdk", Size: 1, Capacity: 8 << 30}, {File: "b.vmdk", Size: 1, Capacity: 120 << 30}})
	if err != nil {
		t.Fatal(err)
	}
	e, err := ovf.Unmarshal(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := e.ToConfigSpecWithOptions(ovf.ToConfigSpecOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	if spec.Firmware != "bios" || spec.GuestId != "otherGuest64" {
		t.Errorf("firmware %s, guest %s", spec.Firmware, spec.GuestId)
	}
	var devices object.VirtualDeviceList
	for _, d := range spec.DeviceChange {
		devices = append(devices, d.GetVirtualDeviceConfigSpec().Device)
	}
	checkDisks(t, devices, (*types.ParaVirtualSCSIController)(nil), 8<<30, 120<<30)
	drives := devices.SelectByType((*types.VirtualCdrom)(nil))
	ide := devices.SelectByType((*types.VirtualIDEController)(nil))
	if len(drives) != 1 || len(ide) == 0 || drives[0].GetVirtualDevice().ControllerKey != ide[len(ide)-1].GetVirtualDevice().Key {
		t.Errorf("drives %v, IDE controllers %v", drives, ide)
	}
}

// checkDisks expects disks of those sizes on one controller of a type.
func checkDisks(t *testing.T, devices object.VirtualDeviceList, controller types.BaseVirtualDevice, sizes ...int64) {
	t.Helper()
	disks := devices.SelectByType((*types.VirtualDisk)(nil))
	if len(disks) != len(sizes) {
		t.Fatalf("%d disks, want %d", len(disks), len(sizes))
	}
	controllers := devices.SelectByType(controller)
	if len(controllers) != 1 {
		t.Fatalf("%d controllers of %T", len(controllers), controller)
	}
	for i, d := range disks {
		disk := d.(*types.VirtualDisk)
		if n := max(disk.CapacityInKB<<10, disk.CapacityInBytes); n != sizes[i] || disk.ControllerKey != controllers[0].GetVirtualDevice().Key {
			t.Errorf("disk %d of %d bytes on controller %d", i, n, disk.ControllerKey)
		}
	}
}

// TestControllers has the library translate what its simulator does not import.
func TestControllers(t *testing.T) {
	for c, want := range map[ova.Controller]types.BaseVirtualDevice{
		ova.PVSCSI: (*types.ParaVirtualSCSIController)(nil), ova.LSILogic: (*types.VirtualLsiLogicController)(nil),
		ova.LSISAS: (*types.VirtualLsiLogicSASController)(nil), ova.AHCI: (*types.VirtualAHCIController)(nil),
		ova.NVMe: (*types.VirtualNVMEController)(nil),
	} {
		for _, firmware := range []string{"bios", "efi"} {
			vm := ova.VM{Controller: c, Firmware: firmware, NICs: 1, DataDisks: []int64{1 << 30}}
			text, err := ova.Descriptor(vm, []ova.Disk{{File: "a.vmdk", Size: 1, Capacity: capacity}, {File: "b.vmdk", Size: 1, Capacity: 1 << 30}})
			if err != nil {
				t.Fatal(err)
			}
			e, err := ovf.Unmarshal(bytes.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			spec, err := e.ToConfigSpecWithOptions(ovf.ToConfigSpecOptions{Strict: true})
			if err != nil {
				t.Fatalf("%s: %v", c, err)
			}
			if spec.Firmware != firmware || spec.GuestId != "debian10_64Guest" || spec.Version != "vmx-13" {
				t.Errorf("%s: firmware %s, guest %s, hardware %s", c, spec.Firmware, spec.GuestId, spec.Version)
			}
			var devices object.VirtualDeviceList
			for _, d := range spec.DeviceChange {
				devices = append(devices, d.GetVirtualDeviceConfigSpec().Device)
			}
			checkDisks(t, devices, want, capacity, 1<<30)
		}
	}
}

// TestFile imports the archive that CAROSBUILD_OVA names, as the program wrote it.
func TestFile(t *testing.T) {
	path := os.Getenv("CAROSBUILD_OVA")
	if path == "" {
		t.Skip("CAROSBUILD_OVA is not set")
	}
	imported(t, path, func(vm mo.VirtualMachine, devices object.VirtualDeviceList) {
		t.Logf("%s: %d cores, %d MB, %d disks", vm.Name, vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB,
			len(devices.SelectByType((*types.VirtualDisk)(nil))))
		for _, d := range devices.SelectByType((*types.VirtualDisk)(nil)) {
			if disk := d.(*types.VirtualDisk); disk.CapacityInKB == 0 {
				t.Error("a disk without a size")
			}
		}
	})
}
