// SPDX-License-Identifier: MPL-2.0

package ova

import (
	"archive/tar"
	"bytes"
	"crypto/sha1"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/tooltest"
)

var iso = bytes.Repeat([]byte("CD001 live "), 30000)

// classic is the machine of CarOS 15.10, as in its declaration.
func classic(data ...int64) VM {
	return VM{
		Profile: Classic, Manifest: "sha1", Empty: true, NICs: 3, DataDisks: data,
		Product: "CarOS", Version: "15.10", Vendor: "Travelping GmbH", VendorURL: "http://www.travelping.com/",
		CDROM: &Disc{Name: "core-image-caros-vmware.iso", Size: int64(len(iso)), Content: bytes.NewReader(iso)},
	}
}

// appliance writes a machine with an empty disk of 8 GB.
func appliance(t testing.TB, vm VM) string {
	t.Helper()
	m, err := image.New(8<<30, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "x.ova"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Write(t.Context(), f, m, vm, options()), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// at finds an element by names from the root on; "#3" is the item whose InstanceID
// is 3, and "[2]" the second element of that name.
func (g generic) at(path string) generic {
	for name := range strings.SplitSeq(path, "/") {
		n := 1
		if base, no, ok := strings.Cut(name, "["); ok {
			name, n = base, int(no[0]-'0')
		}
		found := generic{}
		for _, k := range g.Kids {
			if id, ok := strings.CutPrefix(name, "#"); ok && k.kid("InstanceID").Text == id || !ok && k.XMLName.Local == name {
				if n--; n == 0 {
					found = k
				}
			}
		}
		g = found
	}
	return g
}

// config is the value that an element's vmw:Config has for a key.
func (g generic) config(key string) string {
	for _, k := range g.Kids {
		if k.XMLName.Local == "Config" && k.attr(nsVMW, "key") == key {
			return k.attr(nsVMW, "value") + " required=" + k.attr(nsOVF, "required")
		}
	}
	return ""
}

// classicFacts are the contents of the appliances of meta-vmware, line by line.
func classicFacts() []struct{ what, path, value, want string } {
	const (
		system = "VirtualSystem/"
		hw     = system + "VirtualHardwareSection/"
		no     = " required=false"
	)
	facts := []struct{ what, path, value, want string }{
		{"file1 = ISO", "References/File[3]", "ovf id", "file1"},
		{"ISO", "References/File[3]", "ovf href", "core-image-caros-vmware.iso"},
		{"size in bytes", "References/File[3]", "ovf size", fmt.Sprint(len(iso))},
		{"file2 = disk1", "References/File[1]", "ovf id", "file2"},
		{"file name of disk1", "References/File[1]", "ovf href", "caros-disk1.vmdk"},
		{"file3 = disk2", "References/File[2]", "ovf id", "file3"},
		{"file name of disk2", "References/File[2]", "ovf href", "caros-disk2.vmdk"},
		{"disk", "DiskSection/Disk[1]", "ovf diskId", "vmdisk1"},
		{"disk", "DiskSection/Disk[2]", "ovf diskId", "vmdisk2"},
		{"boot disk 8 GB", "DiskSection/Disk[1]", "ovf capacity", "8"},
		{"data disk 120 GB", "DiskSection/Disk[2]", "ovf capacity", "120"},
		{"capacity in GiB", "DiskSection/Disk[1]", "ovf capacityAllocationUnits", "byte * 2^30"},
		{"populatedSize", "DiskSection/Disk[1]", "ovf populatedSize", "0"},
		{"populatedSize", "DiskSection/Disk[2]", "ovf populatedSize", "0"},
		{"format", "DiskSection/Disk[1]", "ovf format", "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"},
		{"disk1's file", "DiskSection/Disk[1]", "ovf fileRef", "file2"},
		{"disk2's file", "DiskSection/Disk[2]", "ovf fileRef", "file3"},
		{"one network", "NetworkSection/Network[1]", "ovf name", "ALL VLANs"},
		{"and no other", "NetworkSection/Network[2]", "ovf name", ""},
		{"id", "VirtualSystem", "ovf id", "CarOS-15.10_vAPP"},
		{"name", system + "Name", "", "CarOS-15.10_vAPP"},
		{"identifier", hw + "System/VirtualSystemIdentifier", "", "CarOS-15.10_vAPP"},
		{"InstallSection", system + "InstallSection", "ovf initialBoot", "true"},
		{"stop delay", system + "InstallSection", "ovf initialBootStopDelay", "180"},
		{"not required", system + "InstallSection", "ovf required", "false"},
		{"OS", system + "OperatingSystemSection", "ovf id", "102"},
		{"OS", system + "OperatingSystemSection", "vmw osType", "otherGuest64"},
		{"hardware family", hw + "System/VirtualSystemType", "", "vmx-07 vmx-08"},
		{"product class", system + "ProductSection", "ovf class", "ultra"},
		{"product", system + "ProductSection/Product", "", "CarOS"},
		{"vendor", system + "ProductSection/Vendor", "", "Travelping GmbH"},
		{"version", system + "ProductSection/Version", "", "15.10"},
		{"vendor's URL", system + "ProductSection/VendorUrl", "", "http://www.travelping.com/"},
		{"5 video optional", hw + "#5", "ovf required", "false"},
		{"5 video memory", hw + "#5", "videoRamSizeInKB", "4096" + no},
		{"5 3D off", hw + "#5", "enable3DSupport", "false" + no},
		{"6 VMCI optional", hw + "#6", "ovf required", "false"},
		{"6 VMCI slot", hw + "#6", "slotInfo.pciSlotNumber", "33" + no},
		{"7 writeThrough", hw + "#7", "backing.writeThrough", "false" + no},
		{"8 writeThrough", hw + "#8", "backing.writeThrough", "false" + no},
		{"no 13", hw + "#13/InstanceID", "", ""},
	}
	for i, item := range []string{ // type, sub type, address, parent, unit, units, quantity, automatic, resource
		"3||||hertz * 10^6|2||", "4||||byte * 2^20|8192||", "5||1|||||", "6|VirtualSCSI|0|||||", "24||||||false|", "1|vmware.vmci|||||false|",
		"17|||4 0||||ovf:/disk/vmdisk1", "17|||4 1||||ovf:/disk/vmdisk2",
		"10|VmxNet3||7|||false|", "10|VmxNet3||8|||false|", "10|VmxNet3||9|||false|", "15|||3 0|||true|ovf:/file/file1",
	} {
		part := strings.Split(item, "|")
		parent, unit, two := strings.Cut(part[3], " ")
		if !two {
			parent, unit = "", parent
		}
		for name, want := range map[string]string{
			"ResourceType": part[0], "ResourceSubType": part[1], "Address": part[2], "Parent": parent, "AddressOnParent": unit,
			"AllocationUnits": part[4], "VirtualQuantity": part[5], "AutomaticAllocation": part[6], "HostResource": part[7],
		} {
			facts = append(facts, struct{ what, path, value, want string }{"item", fmt.Sprintf("%s#%d/%s", hw, i+1, name), "", want})
		}
	}
	for i, slot := range []string{"32", "34", "35"} {
		nic := fmt.Sprintf("%s#%d", hw, 9+i)
		for key, want := range map[string]string{"slotInfo.pciSlotNumber": slot, "connectable.allowGuestControl": "true", "wakeOnLanEnabled": "true"} {
			facts = append(facts, struct{ what, path, value, want string }{"NIC", nic, key, want + no})
		}
		facts = append(facts, struct{ what, path, value, want string }{"NIC", nic + "/Connection", "", "ALL VLANs"})
	}
	for key, want := range map[string]string{
		"firmware": "bios", "cpuHotAddEnabled": "false", "cpuHotRemoveEnabled": "false", "memoryHotAddEnabled": "false", "nestedHVEnabled": "false",
		"virtualSMCPresent": "false", "virtualICH7MPresent": "false", "powerOpInfo.powerOffType": "soft", "powerOpInfo.resetType": "soft",
		"powerOpInfo.standbyAction": "checkpoint", "powerOpInfo.suspendType": "hard", "tools.afterPowerOn": "true", "tools.afterResume": "true",
		"tools.beforeGuestShutdown": "true", "tools.beforeGuestStandby": "true", "tools.syncTimeWithHost": "false", "tools.toolsUpgradePolicy": "manual",
	} {
		facts = append(facts, struct{ what, path, value, want string }{"config", strings.TrimSuffix(hw, "/"), key, want + no})
	}
	return facts
}

// TestClassicDescriptor compares with everything that is known about those
// appliances.
func TestClassicDescriptor(t *testing.T) {
	dir := unpack(t, appliance(t, classic(120<<30)))
	var e generic
	if err := xml.Unmarshal(read(t, filepath.Join(dir, "caros.ovf")), &e); err != nil {
		t.Fatal(err)
	}
	for _, f := range classicFacts() {
		x := e.at(f.path)
		got := strings.TrimSpace(x.Text)
		if space, name, ok := strings.Cut(f.value, " "); ok {
			got = x.attr(map[string]string{"ovf": nsOVF, "vmw": nsVMW}[space], name)
		} else if f.value != "" {
			got = x.config(f.value)
		}
		if got != f.want {
			t.Errorf("%s: %s %s is %q, want %q", f.what, f.path, f.value, got, f.want)
		}
	}
	tooltest.Run(t, "xmllint", "--noout", "--nonet", "--relaxng", "testdata/ovf.rng", filepath.Join(dir, "caros.ovf"))
}

// TestClassicArchive checks the order, the owners and the digests of the members,
// without a data disk and with one.
func TestClassicArchive(t *testing.T) {
	for _, data := range [][]int64{nil, {120 << 30}} {
		path := appliance(t, classic(data...))
		b := read(t, path)
		want := []string{"caros.ovf", "caros.mf", "caros-disk1.vmdk", "caros-disk2.vmdk", "core-image-caros-vmware.iso"}
		if data == nil {
			want = append(want[:3:3], want[4])
		}
		var got []string
		sums := map[string]string{}
		var manifest string
		for r := tar.NewReader(bytes.NewReader(b)); ; {
			h, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, h.Name)
			if h.Mode != 0o644 || h.Uid != 65534 || h.Gid != 65534 {
				t.Errorf("%s: mode %o, owner %d:%d", h.Name, h.Mode, h.Uid, h.Gid)
			}
			content, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			sums[h.Name] = fmt.Sprintf("SHA1(%s)= %x\n", h.Name, sha1.Sum(content))
			if h.Name == "caros.mf" {
				manifest = string(content)
			}
			if strings.HasSuffix(h.Name, ".iso") && !bytes.Equal(content, iso) {
				t.Error("the ISO is another one")
			}
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("members (-got +want):\n%s", diff)
		}
		lines := ""
		for i, name := range want {
			if i != 1 {
				lines += sums[name]
			}
		}
		if diff := cmp.Diff(manifest, lines); diff != "" {
			t.Errorf("manifest (-got +want):\n%s", diff)
		}
		if ps := problems(t, b); len(ps) > 0 {
			t.Errorf("problems: %q", ps)
		}
		i := bytes.Index(b, iso[:100])
		b[i+200] ^= 1
		if ps := problems(t, b); len(ps) != 1 || !strings.Contains(ps[0], "core-image-caros-vmware.iso") {
			t.Errorf("problems of a damaged ISO: %q", ps)
		}
	}
}

// TestDisc has a drive on a machine of our own form.
func TestDisc(t *testing.T) {
	vm := full()
	vm.CDROM = &Disc{Name: "tools &.iso", Size: int64(len(iso)), Content: bytes.NewReader(iso)}
	path := write(t, vm, options())
	if ps := problems(t, read(t, path)); len(ps) > 0 {
		t.Errorf("problems: %q", ps)
	}
	dir := unpack(t, path)
	tooltest.Run(t, "xmllint", "--noout", "--nonet", "--relaxng", "testdata/ovf.rng", filepath.Join(dir, "caros.ovf"))
	if !bytes.Equal(read(t, filepath.Join(dir, "tools__.iso")), iso) {
		t.Error("the ISO is another one")
	}
	lines := strings.Split(strings.TrimSpace(summary(t, vm)), "\n")
	if diff := cmp.Diff(lines[11:], []string{"12 5 1 ", "13 15 12 0 ovf:/file/file4 ", "firmware efi"}); diff != "" {
		t.Errorf("last items (-got +want):\n%s", diff)
	}
	for _, tt := range []struct {
		vm   VM
		want string
	}{
		{VM{CDROM: &Disc{Name: "caros.ovf", Size: 1}}, "another file in the archive has that name"},
		{VM{CDROM: &Disc{Name: "caros-disk1.vmdk", Size: 1}}, "another file in the archive has that name"},
		{VM{CDROM: &Disc{Name: "", Size: 1}}, "no name"},
		{VM{CDROM: &Disc{Name: "a", Size: 0}}, "not 1 byte"},
		{VM{CDROM: &Disc{Name: "a", Size: 2, Content: bytes.NewReader([]byte("x"))}}, "write a: unexpected EOF"},
		{VM{Profile: "modern"}, `profile "modern"`},
		{VM{Manifest: "md5"}, `manifest "md5"`},
	} {
		f, err := os.Create(filepath.Join(t.TempDir(), "x"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Write(t.Context(), f, testImage(t, 1<<20), tt.vm, options()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got %v, want %s", err, tt.want)
		}
		f.Close()
	}
}
