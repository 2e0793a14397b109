// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
)

// Disk is the descriptor's data about a disk and its file.
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
		// Populated is "" if it is not known.
		Populated string `xml:"ovf:populatedSize,attr,omitempty"`
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
		Install    *installSection `xml:"InstallSection"`
		OS         osSection       `xml:"OperatingSystemSection"`
		Hardware   hardwareSection `xml:"VirtualHardwareSection"`
		Product    *productSection `xml:"ProductSection"`
		EULA       *eulaSection    `xml:"EulaSection"`
		Annotation *noteSection    `xml:"AnnotationSection"`
	}
	// installSection asks for a first boot that installs the system.
	installSection struct {
		Required    string `xml:"ovf:required,attr"`
		InitialBoot string `xml:"ovf:initialBoot,attr"`
		StopDelay   int    `xml:"ovf:initialBootStopDelay,attr"` // seconds
		Info        string
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
	// item has its children in alphabetical order, as the schema requires. They are
	// texts, so that "0" is not left out.
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
		Class       string `xml:"ovf:class,attr,omitempty"`
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

// Descriptor is the OVF descriptor of a machine with these disks, of which the
// first is booted. The same arguments give the same bytes.
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
		e.References = append(e.References, file{d.File, vm.fileID(i), d.Size})
		e.Disks.Disks = append(e.Disks.Disks, vm.diskDesc(i, d))
	}
	if d := vm.CDROM; d != nil {
		e.References = append(e.References, file{d.Name, vm.discID(len(disks)), d.Size})
	}
	if vm.Profile == Classic {
		e.System.makeClassic()
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

func (vm VM) diskDesc(i int, d Disk) diskDesc {
	out := diskDesc{Capacity: d.Capacity, Units: "byte", ID: diskID(i), FileRef: vm.fileID(i), Format: diskFormat}
	if vm.Profile == Classic {
		out.makeClassic(i > 0 || vm.Empty)
	}
	return out
}

// network is the network of the n-th NIC.
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
