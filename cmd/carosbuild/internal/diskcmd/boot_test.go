// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// TestSlowed: the message after a boot on a busy host, and none on an idle one.
func TestSlowed(t *testing.T) {
	for _, c := range []struct {
		wall, machine time.Duration
		want          string
	}{
		{60 * time.Second, 60 * time.Second, ""},
		{60 * time.Second, 55 * time.Second, ""},
		{900 * time.Millisecond, 100 * time.Millisecond, ""},
		{4 * time.Minute, time.Minute, ", of which QEMU had no processor for 3m0s"},
	} {
		if got := slowed(qemu.Spent{Wall: c.wall, Machine: c.machine}); got != c.want {
			t.Errorf("%v of %v: %q, want %q", c.machine, c.wall, got, c.want)
		}
	}
}

// TestQEMUDisk: QEMU is told the format of every disk that is opened.
func TestQEMUDisk(t *testing.T) {
	m, err := image.New(1<<20, []image.Extent{{Len: 4, Src: image.Bytes("disk")}})
	if err != nil {
		t.Fatal(err)
	}
	for format, want := range map[disk.Format]string{
		disk.Raw: "raw", disk.RawZstd: "raw", disk.VMDK: "vmdk", disk.VMDKSparse: "vmdk", disk.VMDKFlat: "vmdk",
		disk.QCOW2: "qcow2", disk.QCOW2Zstd: "qcow2", disk.VHD: "vpc", disk.VHDFixed: "vpc", disk.VHDX: "vhdx",
	} {
		path := filepath.Join(t.TempDir(), "disk")
		if err := disk.Write(t.Context(), path, string(format), m, disk.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		o, err := disk.OpenDisk(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := qemuDisk(path, o).Format; got != want {
			t.Errorf("%s: got %q, want %q", format, got, want)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAppliance: an OVA whose disk is empty boots from the disc in its drive, and
// further disks are attached.
func TestAppliance(t *testing.T) {
	m, err := image.New(8<<20, nil)
	if err != nil {
		t.Fatal(err)
	}
	iso := make([]byte, 64<<10)
	for i, sector := range []string{"\x01CD001\x01", "\x00CD001\x01EL TORITO SPECIFICATION", "\xffCD001\x01"} { // from sector 16 on
		copy(iso[(16+i)<<11:], sector)
	}
	iso[17<<11+71] = 20                                                           // sector of the catalogue
	copy(iso[20<<11:], "\x01\x00\x00\x00")                                        // for a BIOS
	copy(iso[20<<11+28:], "\xaa\x55\x55\xaa\x88\x00\x00\x00\x00\x00\x04\x00\x15") // its sum, and an entry that begins at sector 21
	vm := ova.VM{Profile: ova.Classic, Empty: true, DataDisks: []int64{16 << 20}, CDROM: &ova.Disc{Name: "live.iso", Size: int64(len(iso)), Content: bytes.NewReader(iso)}}
	path := filepath.Join(t.TempDir(), "x.ova")
	if err := disk.Write(t.Context(), path, string(disk.OVA), m, disk.WriteOptions{VM: &vm}); err != nil {
		t.Fatal(err)
	}
	o, err := disk.OpenDisk(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	facts, options, s := qemu.Facts{Size: 8 << 20}, qemu.Options{}, qemu.Session{Disk: qemuDisk(path, o)}
	if err := appliance(path, &facts, &options, &s); err != nil {
		t.Fatal(err)
	}
	machine, err := qemu.Plan(facts, options)
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(machine.Arguments([]string{"disk", "disc", "data"}, "", qemu.TCG, false), " ")
	for _, want := range []string{
		"-device pvscsi,id=s0 -device scsi-hd,drive=d0,bus=s0.0,bootindex=1 -device ide-cd,drive=cd0,bus=ide.1,bootindex=2 -device scsi-hd,drive=d1,bus=s0.0,scsi-id=1 ",
		"-drive id=cd0,if=none,readonly=on,format=qcow2,cache=unsafe,file=disc ",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := s.Disc; d == nil || d.Format != "raw" || !bytes.Equal(b[d.Offset:d.Offset+d.Length], iso) {
		t.Errorf("the disc is %+v", d)
	}
	if len(s.More) != 1 || string(b[s.More[0].Offset:][:4]) != "KDMV" {
		t.Errorf("the further disks are %+v", s.More)
	}
}
