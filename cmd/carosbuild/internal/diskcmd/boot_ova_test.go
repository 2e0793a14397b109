// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// The firmware that an appliance names is a default. It is not used if the command
// line names a bus that it cannot read and the disk boots without it.
func TestApplianceFirmware(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.ova")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := image.New(1<<20, nil)
	if err == nil {
		err = ova.Write(t.Context(), f, m, ova.VM{Firmware: "efi"}, ova.Options{Name: "a"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		asked, bus string
		bios       bool
		want       string
	}{
		{"", "", true, "efi"},
		{"", "pvscsi", true, ""},
		{"", "lsi", true, ""},
		{"", "ahci", true, "efi"},
		{"", "pvscsi", false, "efi"},
		{"bios", "", true, "bios"},
		{"efi", "pvscsi", true, "efi"},
	} {
		o := qemu.Options{Firmware: tt.asked, Bus: tt.bus}
		if err := appliance(path, &qemu.Facts{BIOS: tt.bios}, &o, &qemu.Session{}); err != nil {
			t.Fatal(err)
		}
		if o.Firmware != tt.want {
			t.Errorf("firmware %q, bus %q, BIOS %t: got %q, want %q", tt.asked, tt.bus, tt.bios, o.Firmware, tt.want)
		}
	}
}
