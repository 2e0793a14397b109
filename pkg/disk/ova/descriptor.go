// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package ova

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
)

// Disk is what the descriptor says about a disk and its file.
type Disk struct {
	File     string // name in the archive
	Size     int64  // of the file, in bytes
	Capacity int64  // in bytes
}

// The elements of a descriptor, in the order of the schema (DSP8023 1.x). The
// prefixes are part of the names: encoding/xml would repeat the namespaces in
// every element.
type (
	envelope struct {
		XMLName    xml.Name        `xml:"Envelope"`
		NS         string          `xml:"xmlns,attr"`
		NSOVF      string          `xml:"xmlns:ovf,attr"`
		NSRASD     string          `xml:"xmlns:rasd,attr"`
		NSVMW      string          `xml:"xmlns:vmw,attr"`
		NSVSSD     string          `xml:"xmlns:vssd,attr"`
		References []file          `xml:"References>File"`
		Disks      diskSection     `xml:"DiskSection"`
		Networks   *networkSection `xml:"NetworkSection"`
		System     virtualSystem   `xml:"VirtualSystem"`
	}
	file struct {
		Href string `xml:"ovf:href,attr"`
		ID   string `xml:"ovf:id,attr"`
		Size int64  `xml:"ovf:size,attr"`
	}
	diskSection struct {
		Info  string
		Disks []diskDesc `xml:"Disk"`
	}
	diskDesc struct {
		Capacity int64  `xml:"ovf:capacity,attr"`
		Units    string `xml:"ovf:capacityAllocationUnits,attr"`
		ID       string `xml:"ovf:diskId,attr"`
		FileRef  string `xml:"ovf:fileRef,attr"`
		Format   string `xml:"ovf:format,attr"`
	}
	networkSection struct {
		Info     string
		Networks []network `xml:"Network"`
	}
	network struct {
		Name        string `xml:"ovf:name,attr"`
		Description string
	}
	virtualSystem struct {
		ID         string `xml:"ovf:id,attr"`
		Info       string
		Name       string
		OS         osSection       `xml:"OperatingSystemSection"`
		Hardware   hardwareSection `xml:"VirtualHardwareSection"`
		Product    *productSection `xml:"ProductSection"`
		EULA       *eulaSection    `xml:"EulaSection"`
		Annotation *noteSection    `xml:"AnnotationSection"`
	}
	osSection struct {
		ID   int    `xml:"ovf:id,attr"`
		Type string `xml:"vmw:osType,attr"`
		Info string
	}
	hardwareSection struct {
		Info   string
		System settings `xml:"System"`
		Items  []item   `xml:"Item"`
		Config []config `xml:"vmw:Config"`
	}
	settings struct {
		ElementName string `xml:"vssd:ElementName"`
		InstanceID  int    `xml:"vssd:InstanceID"`
		Identifier  string `xml:"vssd:VirtualSystemIdentifier"`
		Type        string `xml:"vssd:VirtualSystemType"`
	}
	// item has its children in alphabetical order, as the schema wants them.
	// They are text, so that "0" is not left out.
	item struct {
		Required            string   `xml:"ovf:required,attr,omitempty"`
		Address             string   `xml:"rasd:Address,omitempty"`
		AddressOnParent     string   `xml:"rasd:AddressOnParent,omitempty"`
		AllocationUnits     string   `xml:"rasd:AllocationUnits,omitempty"`
		AutomaticAllocation string   `xml:"rasd:AutomaticAllocation,omitempty"`
		Connection          string   `xml:"rasd:Connection,omitempty"`
		Description         string   `xml:"rasd:Description,omitempty"`
		ElementName         string   `xml:"rasd:ElementName"`
		HostResource        string   `xml:"rasd:HostResource,omitempty"`
		InstanceID          int      `xml:"rasd:InstanceID"`
		Parent              string   `xml:"rasd:Parent,omitempty"`
		SubType             string   `xml:"rasd:ResourceSubType,omitempty"`
		Type                int      `xml:"rasd:ResourceType"`
		Quantity            string   `xml:"rasd:VirtualQuantity,omitempty"`
		Config              []config `xml:"vmw:Config"`
	}
	config struct {
		Required string `xml:"ovf:required,attr"`
		Key      string `xml:"vmw:key,attr"`
		Value    string `xml:"vmw:value,attr"`
	}
	productSection struct {
		Info        string
		Product     string `xml:",omitempty"`
		Vendor      string `xml:",omitempty"`
		Version     string `xml:",omitempty"`
		FullVersion string `xml:",omitempty"`
		ProductURL  string `xml:"ProductUrl,omitempty"`
		VendorURL   string `xml:"VendorUrl,omitempty"`
	}
	eulaSection struct {
		Info    string
		License string
	}
	noteSection struct {
		Info       string
		Annotation string
	}
)

// Descriptor is the OVF descriptor of a machine with these disks, the first of
// which is booted. The same arguments give the same bytes.
func Descriptor(vm VM, disks []Disk) ([]byte, error) {
	if len(disks) == 0 {
		return nil, fmt.Errorf("describe virtual machine: no disk")
	}
	if err := vm.Check(); err != nil {
		return nil, fmt.Errorf("describe virtual machine: %w", err)
	}
	vm = vm.complete("vm")
	e := envelope{
		NS: nsOVF, NSOVF: nsOVF, NSRASD: nsRASD, NSVMW: nsVMW, NSVSSD: nsVSSD,
		Disks:    diskSection{Info: "Virtual disks"},
		Networks: vm.networks(),
		System: virtualSystem{
			ID: vm.Name, Info: "A virtual machine", Name: vm.Name,
			OS:       osSection{cimOS(vm.Guest), vm.Guest, "The guest operating system"},
			Hardware: vm.hardware(len(disks)),
			Product:  vm.product(),
		},
	}
	if vm.EULA != "" {
		e.System.EULA = &eulaSection{"License agreement", vm.EULA}
	}
	if vm.Annotation != "" {
		e.System.Annotation = &noteSection{"Notes", vm.Annotation}
	}
	for i, d := range disks {
		id := fmt.Sprintf("file%d", i+1)
		e.References = append(e.References, file{d.File, id, d.Size})
		e.Disks.Disks = append(e.Disks.Disks, diskDesc{d.Capacity, "byte", diskID(i), id, diskFormat})
	}
	var b bytes.Buffer
	b.WriteString(xml.Header)
	enc := xml.NewEncoder(&b)
	enc.Indent("", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("describe virtual machine: %w", err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func diskID(i int) string { return fmt.Sprintf("vmdisk%d", i+1) }

// network is that of the n-th NIC.
func (vm VM) network(n int) string { return vm.Networks[min(n, len(vm.Networks)-1)] }

func (vm VM) networks() *networkSection {
	if vm.NICs == 0 {
		return nil
	}
	s := &networkSection{Info: "Networks"}
	for _, name := range vm.Networks {
		if !slices.ContainsFunc(s.Networks, func(n network) bool { return n.Name == name }) {
			s.Networks = append(s.Networks, network{name, "The network " + name})
		}
	}
	return s
}

func (vm VM) product() *productSection {
	p := productSection{
		Product: vm.Product, Vendor: vm.Vendor, Version: vm.Version, FullVersion: vm.FullVersion,
		ProductURL: vm.ProductURL, VendorURL: vm.VendorURL,
	}
	if p == (productSection{}) {
		return nil
	}
	p.Info = "The product"
	return &p
}

func (vm VM) hardware(disks int) hardwareSection {
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
	for i := range h.Items {
		h.Items[i].InstanceID = i + 1
	}
	return h
}

// controllerInstance is the InstanceID of the disks' controller: its place
// among the items, from 1.
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
		AutomaticAllocation: "true", AddressOnParent: strconv.Itoa(7 + n), // where VMware's own descriptors begin
		Config: configs("connectable.allowGuestControl", "true", "wakeOnLanEnabled", "true"),
	}
}

// config is what meta-vmware's descriptors ask for.
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
