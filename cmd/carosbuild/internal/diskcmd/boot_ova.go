// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"errors"
	"io"
	"os"

	"github.com/carosio/carosbuild/pkg/disk/ova"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// appliance adds what an OVA's machine has besides its first disk: the disc in the
// CD drive, further disks, and the firmware, if the command line names none. An
// empty disk gives no hint about its system's drivers, so it is attached to the
// controller that the OVA names.
func appliance(path string, facts *qemu.Facts, o *qemu.Options, s *qemu.Session) (err error) {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	d, err := ova.ReadDrives(f, st.Size())
	if err != nil {
		return err
	}
	if o.Firmware == "" && d.Firmware == "efi" && (qemu.EFIReads(o.Bus) || !facts.BIOS) {
		o.Firmware = "efi"
	}
	for _, x := range d.Disks {
		if x.Off != s.Disk.Offset {
			s.More = append(s.More, qemu.Disk{Path: path, Format: "vmdk", Offset: x.Off, Length: x.Len})
		}
	}
	facts.More = len(s.More)
	if d.Disc == nil {
		return nil
	}
	disc := qemu.DetectDisc(io.NewSectionReader(f, d.Disc.Off, d.Disc.Len), d.Disc.Len)
	facts.Disc = &disc
	s.Disc = &qemu.Disk{Path: path, Format: "raw", Offset: d.Disc.Off, Length: d.Disc.Len}
	if o.Bus == "" && !facts.Bootable() && o.Firmware != "efi" && (disc.BIOS || o.Firmware == "bios") {
		o.Bus = map[ova.Controller]string{ova.PVSCSI: "pvscsi", ova.AHCI: "ahci", ova.NVMe: "nvme"}[d.Controller]
	}
	return nil
}
