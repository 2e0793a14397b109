// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"fmt"
	"strconv"
)

func (vm VM) hardware(disks int) hardwareSection {
	if vm.Profile == Classic {
		return vm.classicHardware(disks)
	}
	h := hardwareSection{
		Info:   "Virtual hardware",
		System: settings{"Virtual Hardware Family", 0, vm.Name, vm.Hardware},
		Items:  []item{vm.processors(), vm.memory(), vm.controller(), video(), vmci()},
		Config: vm.config(),
	}
	for i := range disks {
		h.Items = append(h.Items, vm.disk(i))
	}
	for i := range vm.NICs {
		h.Items = append(h.Items, vm.nic(i))
	}
	if vm.CDROM != nil {
		ide := len(h.Items) + 1
		h.Items = append(h.Items, ide1(), vm.drive(disks, strconv.Itoa(ide)))
	}
	for i := range h.Items {
		h.Items[i].InstanceID = i + 1
	}
	return h
}

// controllerInstance is the InstanceID of the disks' controller: its position among
// the items, from 1.
const controllerInstance = "3"

func (vm VM) processors() item {
	n := strconv.Itoa(vm.Cores)
	return item{
		Type: typeProcessor, ElementName: n + " virtual CPU(s)", Description: "Number of virtual CPUs",
		AllocationUnits: "hertz * 10^6", Quantity: n,
	}
}

func (vm VM) memory() item {
	n := strconv.FormatInt(vm.Memory/mebibyte, 10)
	return item{
		Type: typeMemory, ElementName: n + " MB of memory", Description: "Memory size",
		AllocationUnits: "byte * 2^20", Quantity: n,
	}
}

func (vm VM) controller() item {
	it := item{Type: typeOtherStorage, SubType: vm.Controller.subType(), Address: "0"}
	switch vm.Controller {
	case AHCI:
		it.ElementName, it.Description = "SATA controller 0", "SATA controller"
	case NVMe:
		it.ElementName, it.Description = "NVMe controller 0", "NVMe controller"
	default:
		it.Type, it.ElementName, it.Description = typeSCSI, "SCSI controller 0", "SCSI controller"
	}
	return it
}

func video() item {
	return item{
		Type: typeGraphics, Required: "false", AutomaticAllocation: "false", ElementName: "Video card",
		Config: configs("enable3DSupport", "false", "videoRamSizeInKB", "4096"),
	}
}

func vmci() item {
	return item{
		Type: typeOther, Required: "false", AutomaticAllocation: "false", ElementName: "VMCI device", SubType: "vmware.vmci",
		Config: configs("allowUnrestrictedCommunication", "false"),
	}
}

func (vm VM) disk(n int) item {
	return item{
		Type: typeDisk, ElementName: fmt.Sprintf("Hard disk %d", n+1), HostResource: "ovf:/disk/" + diskID(n),
		Parent: controllerInstance, AddressOnParent: strconv.Itoa(vm.Controller.unit(n)),
		Config: configs("backing.writeThrough", "false"),
	}
}

func (vm VM) nic(n int) item {
	name := vm.network(n)
	return item{
		Type: typeEthernet, SubType: "VmxNet3", ElementName: fmt.Sprintf("Ethernet %d", n+1),
		Description: fmt.Sprintf("VMXNET3 on %s", name), Connection: name,
		AutomaticAllocation: "true", AddressOnParent: strconv.Itoa(7 + n), // VMware's own descriptors begin there
		Config: configs("connectable.allowGuestControl", "true", "wakeOnLanEnabled", "true"),
	}
}

// config is what meta-vmware's descriptors set.
func (vm VM) config() []config {
	kv := []string{
		"cpuHotAddEnabled", "false",
		"cpuHotRemoveEnabled", "false",
		"firmware", vm.Firmware,
		"memoryHotAddEnabled", "false",
		"nestedHVEnabled", "false",
		"powerOpInfo.powerOffType", "soft",
		"powerOpInfo.resetType", "soft",
		"powerOpInfo.standbyAction", "checkpoint",
		"powerOpInfo.suspendType", "hard",
		"tools.afterPowerOn", "true",
		"tools.afterResume", "true",
		"tools.beforeGuestShutdown", "true",
		"tools.beforeGuestStandby", "true",
		"tools.syncTimeWithHost", "false",
		"tools.toolsUpgradePolicy", "manual",
		"virtualICH7MPresent", "false",
		"virtualSMCPresent", "false",
	}
	if vm.Firmware == "efi" { // our loaders are not signed
		kv = append([]string{"bootOptions.efiSecureBootEnabled", "false"}, kv...)
	}
	return configs(kv...)
}

func configs(kv ...string) []config {
	var cs []config
	for i := 0; i < len(kv); i += 2 {
		cs = append(cs, config{"false", kv[i], kv[i+1]})
	}
	return cs
}
