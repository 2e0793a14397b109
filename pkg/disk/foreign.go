// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"io"

	"github.com/carosio/carosbuild/pkg/disk/damage"
)

// foreignKinds are files that contain a disk in a format that is not supported:
// read as raw disks, they would appear to have no partitions. Negative offsets
// count from the end.
var foreignKinds = []struct {
	off         int64
	magic, kind string
	remedy      string
}{
	{0x40, "\x7f\x10\xda\xbe", "VDI disk (VirtualBox)", convert},
	{0, "QED\x00", "QED disk (QEMU)", convert},
	{0, "WithoutFreeSpace", "Parallels disk", convert},
	{0, "WithouFreSpacExt", "Parallels disk", convert},
	{0, "COWD", "COWD disk (VMware's older sparse format, in which ESXi keeps snapshots)", convert},
	{0, "\xbe\xba\xfe\xca\x00\x00\x00\x00", "SEsparse disk (in which ESXi keeps snapshots)", convert},
	{0, "Bochs Virtual HD Image", "Bochs disk", convert},
	{0, "OOOM", "User Mode Linux COW disk", convert},
	{-512, "koly", "Apple disk image (dmg)", convert},
	{0, "EVF\x09\x0d\x0a\xff\x00", "EWF (EnCase) image", "export it with ewfexport"},
	{0, "\x3a\xff\x26\xed", "sparse image for Android's fastboot", "convert it with simg2img"},
	{0, "BZh", "file compressed with bzip2", unpack},
	{0, "\x04\x22\x4d\x18", "file compressed with lz4", unpack},
	{0, "\x02\x21\x4c\x18", "file compressed with lz4", unpack},
	{0, "PK\x03\x04", "zip archive", unpack},
	{0, "7z\xbc\xaf\x27\x1c", "7-Zip archive", unpack},
	{0, "LZIP", "file compressed with lzip", unpack},
}

const (
	convert = "convert it with qemu-img convert -O raw"
	unpack  = "unpack it"
)

// foreignKind returns an error for a file of one of these kinds.
func foreignKind(r io.ReaderAt, size int64) error {
	for _, k := range foreignKinds {
		off := k.off
		if off < 0 {
			off += size
		}
		b := make([]byte, len(k.magic))
		if n, _ := r.ReadAt(b, max(off, 0)); n == len(b) && string(b) == k.magic {
			return damage.Unreadf("it is a %s, which is not read: %s", k.kind, k.remedy)
		}
	}
	return nil
}
