// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/image"
)

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
