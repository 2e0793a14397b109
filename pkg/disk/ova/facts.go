// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Facts are what an archive's descriptor says about its machine. Values that it
// does not state are zero.
type Facts struct {
	Name, Product, Vendor, Version string
	Guest                          string // VMware's name for the operating system
	Hardware                       string // such as vmx-13
	Firmware                       string // bios or efi
	Cores                          int
	Memory                         int64 // bytes
	NICs, Disks                    int
}

// factsEnvelope is the part of a descriptor with the facts.
type factsEnvelope struct {
	Disks  []struct{} `xml:"DiskSection>Disk"`
	System struct {
		ID   string `xml:"id,attr"`
		Name string
		OS   struct {
			Type string `xml:"osType,attr"`
		} `xml:"OperatingSystemSection"`
		Product struct {
			Product, Vendor, Version string
		} `xml:"ProductSection"`
		Hardware struct {
			Type  string `xml:"System>VirtualSystemType"`
			Items []struct {
				AllocationUnits, ResourceType, VirtualQuantity string
			} `xml:"Item"`
			Config []struct {
				Key   string `xml:"key,attr"`
				Value string `xml:"value,attr"`
			}
		} `xml:"VirtualHardwareSection"`
	} `xml:"VirtualSystem"`
}

// Read reads the descriptor of an archive of size bytes. Check tells whether the
// archive is complete.
func Read(r io.ReaderAt, size int64) (Facts, error) {
	c := &checker{r: &faults{ReaderAt: r}, size: size}
	c.readMembers()
	if len(c.members) == 0 {
		return Facts{}, errors.New("read OVA: it has no descriptor")
	}
	b := c.metadata(&c.members[0])
	if c.r.err != nil {
		return Facts{}, fmt.Errorf("read OVA: %w", c.r.err)
	}
	var e factsEnvelope
	if err := xml.Unmarshal(b, &e); err != nil {
		return Facts{}, fmt.Errorf("read OVF descriptor: %w", err)
	}
	s := &e.System
	f := Facts{
		Name: s.Name, Product: s.Product.Product, Vendor: s.Product.Vendor, Version: s.Product.Version,
		Guest: s.OS.Type, Hardware: s.Hardware.Type, Disks: len(e.Disks),
	}
	if f.Name == "" {
		f.Name = s.ID
	}
	for _, i := range s.Hardware.Items {
		f.item(i.ResourceType, i.VirtualQuantity, i.AllocationUnits)
	}
	for _, c := range s.Hardware.Config {
		if c.Key == "firmware" {
			f.Firmware = c.Value
		}
	}
	return f, nil
}

// item notes a component of the machine.
func (f *Facts) item(kind, quantity, units string) {
	k, _ := strconv.Atoi(kind) // none of them is 0
	n, _ := strconv.Atoi(quantity)
	switch k {
	case typeEthernet:
		f.NICs++
	case typeProcessor:
		f.Cores = n
	case typeMemory: // in units written like those of disks
		f.Memory, _ = ovfDisk{Capacity: quantity, Units: units}.capacity()
	}
}
