// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"bytes"
	"errors"
	"io"

	"github.com/carosio/carosbuild/pkg/disk/partition"
)

// ErrNoDisk is the error for a file that is not a disk.
var ErrNoDisk = errors.New("it is not a disk: it has no partition table, file system or boot code that is known, and is not empty")

// recognised reports whether there is anything of a disk, or nothing at all, as on
// a new disk.
func (d *Disk) recognised() bool {
	if d.table.Kind != "" || d.disc != nil || len(d.volumes) > 0 {
		return true
	}
	b := make([]byte, partition.SectorSize)
	if n, _ := d.src.ReadAt(b, 0); n < len(b) {
		return false
	}
	if b[510] == 0x55 && b[511] == 0xAA {
		return true
	}
	spl, err := d.spl()
	return spl != nil || err != nil || d.blank()
}

// blank reports whether the disk begins and ends with zeros.
func (d *Disk) blank() bool {
	const n = 1 << 20
	for _, off := range []int64{0, max(d.src.Size()-n, 0)} {
		b, err := io.ReadAll(io.NewSectionReader(d.src, off, n))
		if err != nil || len(bytes.TrimLeft(b, "\x00")) > 0 {
			return false
		}
	}
	return true
}
