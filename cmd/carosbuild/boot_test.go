// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// TestSlowed: what is said of a boot on a busy host, and not of one on an idle one.
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
