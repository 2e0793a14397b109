// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/tooltest"
)

// machines are cases that a descriptor must get right.
func machines() map[string]VM {
	ms := map[string]VM{"default": {}, "full": full(), "old": {Hardware: "vmx-07 vmx-08", Guest: "otherGuest64", NICs: 10}}
	ms["classic"] = classic(120 << 30)
	for _, c := range []Controller{PVSCSI, LSILogic, LSISAS, AHCI, NVMe} {
		ms[string(c)] = VM{Controller: c, NICs: 1, DataDisks: make([]int64, 14)}
		for i := range ms[string(c)].DataDisks {
			ms[string(c)].DataDisks[i] = int64(i+1) << 20
		}
	}
	return ms
}

func testDisks(vm VM) []Disk {
	ds := []Disk{{"a-disk1.vmdk", 12345, 100 << 20}}
	for i, n := range vm.DataDisks {
		ds = append(ds, Disk{fmt.Sprintf("a-disk%d.vmdk", i+2), 66048, n})
	}
	return ds
}

// TestSchema has xmllint validate descriptors, also against the DMTF's own schema
// if CAROSBUILD_OVF_XSD names its file.
func TestSchema(t *testing.T) {
	for name, vm := range machines() {
		text, err := Descriptor(vm, testDisks(vm))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name+".ovf")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		tooltest.Run(t, "xmllint", "--noout", "--nonet", "--relaxng", "testdata/ovf.rng", path)
		if xsd := os.Getenv("CAROSBUILD_OVF_XSD"); xsd != "" {
			tooltest.Run(t, "xmllint", "--noout", "--nonet", "--schema", xsd, path)
		}
	}
}

// generic is any element.
type generic struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Kids    []generic  `xml:",any"`
}

func (g generic) kid(name string) generic {
	for _, k := range g.Kids {
		if k.XMLName.Local == name {
			return k
		}
	}
	return generic{}
}

func (g generic) attr(space, name string) string {
	for _, a := range g.Attrs {
		if a.Name.Space == space && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// TestTexts reads back the user's texts.
func TestTexts(t *testing.T) {
	vm := full()
	text, err := Descriptor(vm, testDisks(vm))
	if err != nil {
		t.Fatal(err)
	}
	var e generic
	if err := xml.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	s := e.kid("VirtualSystem")
	p := s.kid("ProductSection")
	got := VM{
		Name: s.kid("Name").Text, Product: p.kid("Product").Text, ProductURL: p.kid("ProductUrl").Text, Vendor: p.kid("Vendor").Text,
		VendorURL: p.kid("VendorUrl").Text, Version: p.kid("Version").Text, FullVersion: p.kid("FullVersion").Text,
		Hardware: s.kid("VirtualHardwareSection").kid("System").kid("VirtualSystemType").Text,
		Guest:    s.kid("OperatingSystemSection").attr(nsVMW, "osType"),
		EULA:     s.kid("EulaSection").kid("License").Text, Annotation: s.kid("AnnotationSection").kid("Annotation").Text,
	}
	for _, n := range e.kid("NetworkSection").Kids[1:] {
		got.Networks = append(got.Networks, n.attr(nsOVF, "name"))
	}
	want := vm
	want.Cores, want.Memory, want.NICs, want.Controller, want.Firmware, want.DataDisks = 0, 0, 0, "", "", nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
}

// summary is one line for each item of hardware.
func summary(t *testing.T, vm VM) string {
	t.Helper()
	text, err := Descriptor(vm, testDisks(vm))
	if err != nil {
		t.Fatal(err)
	}
	var e generic
	if err := xml.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, it := range e.kid("VirtualSystem").kid("VirtualHardwareSection").Kids {
		if it.XMLName.Local == "Item" {
			for _, k := range []string{"InstanceID", "ResourceType", "ResourceSubType", "Address", "Parent", "AddressOnParent", "VirtualQuantity", "HostResource", "Connection"} {
				if v := it.kid(k).Text; v != "" {
					fmt.Fprint(&out, v, " ")
				}
			}
			fmt.Fprintln(&out)
		}
		if it.XMLName.Local == "Config" && strings.Contains(strings.ToLower(it.attr(nsVMW, "key")), "firmware") {
			fmt.Fprintln(&out, "firmware", it.attr(nsVMW, "value"))
		}
	}
	return out.String()
}

func TestHardware(t *testing.T) {
	want := `1 3 4 
2 4 6144 
3 6 VirtualSCSI 0 
4 24 
5 1 vmware.vmci 
6 17 3 0 ovf:/disk/vmdisk1 
7 17 3 1 ovf:/disk/vmdisk2 
8 17 3 2 ovf:/disk/vmdisk3 
9 10 VmxNet3 7 Management & more 
10 10 VmxNet3 8 Traffic 
11 10 VmxNet3 9 Traffic 
firmware efi
`
	if diff := cmp.Diff(want, summary(t, full())); diff != "" {
		t.Errorf("hardware (-want +got):\n%s", diff)
	}
	want = `1 3 2 
2 4 8192 
3 6 VirtualSCSI 0 
4 24 
5 1 vmware.vmci 
6 17 3 0 ovf:/disk/vmdisk1 
firmware bios
`
	if diff := cmp.Diff(want, summary(t, VM{})); diff != "" {
		t.Errorf("default hardware (-want +got):\n%s", diff)
	}
}

func TestControllers(t *testing.T) {
	for c, want := range map[Controller]string{
		PVSCSI: "3 6 VirtualSCSI 0 ", LSILogic: "3 6 lsilogic 0 ", LSISAS: "3 6 lsilogicsas 0 ",
		AHCI: "3 20 vmware.sata.ahci 0 ", NVMe: "3 20 vmware.nvme.controller 0 ",
	} {
		lines := strings.Split(summary(t, VM{Controller: c, DataDisks: machines()[string(c)].DataDisks}), "\n")
		eighth := " 7 "
		if c.scsi() { // the controller itself is unit 7
			eighth = " 8 "
		}
		if lines[2] != want || !strings.Contains(lines[12], "3"+eighth+"ovf:/disk/vmdisk8") {
			t.Errorf("%s: %q and %q", c, lines[2], lines[12])
		}
	}
}

func TestGuests(t *testing.T) {
	for guest, want := range map[string]int{
		"debian10_64Guest": 96, "debian12Guest": 95, "otherGuest64": 102, "otherGuest": 1, "ubuntu64Guest": 94, "other3xLinux64Guest": 100,
		"other26xLinuxGuest": 99, "otherLinux64Guest": 101, "vmwarePhoton64Guest": 36, "centos7_64Guest": 107, "windows2019srv_64Guest": 102,
	} {
		if got := cimOS(guest); got != want {
			t.Errorf("%s: %d, want %d", guest, got, want)
		}
	}
}

func TestCheckMachine(t *testing.T) {
	for name, vm := range machines() {
		if err := vm.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, tt := range []struct {
		vm   VM
		want string
	}{
		{VM{Name: "a\nb"}, `name "a\nb"`},
		{VM{Product: "a\x00"}, "product"},
		{VM{Vendor: "\xff"}, "vendor"},
		{VM{Version: strings.Repeat("1", 256)}, "version"},
		{VM{ProductURL: "\uFFFE"}, "product URL"},
		{VM{ProductURL: "example.org"}, "not one such as"},
		{VM{VendorURL: "http://[a"}, "vendor URL"},
		{VM{Product: strings.Repeat("ü", 81)}, "at most 80 characters"},
		{VM{EULA: "\x1b[0m"}, "EULA of 4 bytes"},
		{VM{Annotation: strings.Repeat("x", 256<<10+1)}, "annotation of 262145 bytes"},
		{VM{Cores: -1}, "-1 cores"},
		{VM{Cores: 769}, "769 cores"},
		{VM{Memory: 5 << 20}, "multiple of 4 MiB"},
		{VM{Memory: -4 << 20}, "multiple of 4 MiB"},
		{VM{NICs: 11}, "11 network interfaces"},
		{VM{NICs: 1, Networks: []string{"a", "b"}}, "2 networks for 1"},
		{VM{NICs: 1, Networks: []string{""}}, `name "" of machine or network`},
		{VM{Controller: "ide"}, `controller "ide"`},
		{VM{Controller: NVMe, Hardware: "vmx-11"}, "no NVMe controller"},
		{VM{Hardware: "13"}, `hardware "13"`},
		{VM{Hardware: "vmx-07,vmx-08"}, "hardware"},
		{VM{Guest: "Debian 12"}, `guest "Debian 12"`},
		{VM{Firmware: "uefi"}, `firmware "uefi"`},
		{VM{DataDisks: []int64{1 << 20, 1000}}, "data disk 2 of 1000 bytes"},
		{VM{DataDisks: []int64{63 << 40}}, "data disk 1"},
		{VM{DataDisks: make([]int64, 15)}, "15 data disks"},
	} {
		if err := tt.vm.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("want %q, got %v", tt.want, err)
		}
		if _, err := Descriptor(tt.vm, testDisks(VM{})); err == nil {
			t.Errorf("%q: described", tt.want)
		}
	}
	all := VM{Cores: -1, NICs: -1, Firmware: "x"}
	if err := all.Check(); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("three mistakes, and %v", err)
	}
	if _, err := Descriptor(VM{}, nil); err == nil {
		t.Error("no disk was taken")
	}
}

func FuzzDescriptor(f *testing.F) {
	f.Add("CarOS", "You may.\n", 2, int64(8<<30))
	f.Fuzz(func(t *testing.T, name, eula string, nics int, memory int64) {
		vm := VM{Name: name, Product: name, EULA: eula, Annotation: eula, NICs: nics, Networks: []string{name}, Memory: memory}
		text, err := Descriptor(vm, testDisks(vm))
		if err != nil {
			return
		}
		e, err := parseDescriptor(text)
		if err != nil {
			t.Fatal(err)
		}
		var g generic
		if err := xml.Unmarshal(text, &g); err != nil {
			t.Fatal(err)
		}
		s := g.kid("VirtualSystem")
		if e.Systems[0].ID != vm.complete("vm").Name || s.kid("EulaSection").kid("License").Text != eula {
			t.Errorf("name %q or text %q came back as %q, %q", name, eula, e.Systems[0].ID, s.kid("EulaSection").kid("License").Text)
		}
	})
}
