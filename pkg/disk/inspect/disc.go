// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"context"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/partition"
)

// discEntries are what firmware boots when the disk is in a CD drive.
func (d *Disk) discEntries() []Boot {
	if d.disc == nil {
		return nil
	}
	var out []Boot
	for _, e := range d.disc.Entries {
		b := Boot{Kind: "eltorito", Name: e.Name(), Offset: e.Off, Detail: fmt.Sprintf("of ISO 9660 volume %s", clean(d.disc.ID))}
		if p := d.at(e); p != nil {
			b.Partition = p.Number
		}
		out = append(out, b)
	}
	return out
}

// at is the partition that begins where a boot entry does, or nil.
func (d *Disk) at(e iso.Entry) *partition.Part {
	for i := range d.table.Parts {
		if d.table.Parts[i].Start == e.Off {
			return &d.table.Parts[i]
		}
	}
	return nil
}

// checkDisc checks the ISO 9660 volume, and that there is a FAT where the boot
// entry for firmware says: on other programs' discs it need not be in a partition.
func (d *Disk) checkDisc(context.Context) []damage.Problem {
	if d.disc == nil {
		return nil
	}
	var l damage.List
	for _, e := range d.disc.Entries {
		b := make([]byte, 512)
		if n, _ := d.src.ReadAt(b, e.Off); e.Name() == "efi" && (n < len(b) || b[0] != 0xEB && b[0] != 0xE9 || b[510] != 0x55 || b[511] != 0xAA) {
			l.Add("El Torito", "the boot entry for efi, at %d, is not where a FAT begins", e.Off)
		}
	}
	return append(d.disc.Problems, l.Problems()...)
}
