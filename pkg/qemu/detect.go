// SPDX-License-Identifier: MPL-2.0

package qemu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/fat"
	"github.com/carosio/carosbuild/pkg/disk/iso"
	"github.com/carosio/carosbuild/pkg/disk/partition"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Facts are the properties of a disk that determine which machines can boot it.
type Facts struct {
	Size int64 // bytes
	// BIOS says that sector 0 has boot code.
	BIOS bool
	// EFI are the loaders for removable media on a FAT partition, by the UEFI
	// specification's names for architectures: x64, aa64, arm, ia32.
	EFI []string
	// Board is the name of the device tree in an Allwinner boot program at byte
	// 8192, such as sun8i-h3-nanopi-neo.
	Board string
	// Drivers are the kernel modules for disk controllers in the initrds, sorted.
	Drivers []string
	// Disc has the facts of the disc in the CD drive, nil for a machine without one.
	Disc *Facts
	More int // number of disks beside the first one
}

// Bootable reports whether there is anything that a machine could boot.
func (f Facts) Bootable() bool { return f.BIOS || len(f.EFI) > 0 || f.Board != "" }

// withDisc are the combined facts of a disk and of the disc, which firmware boots if
// the disk has nothing that it can boot.
func (f Facts) withDisc() Facts {
	if f.Disc != nil && !f.Bootable() {
		f.BIOS, f.EFI = f.Disc.BIOS, f.Disc.EFI
	}
	return f
}

// DetectDisc looks for boot entries on a disc of size bytes (El Torito). A disc
// without any is not an error.
func DetectDisc(r io.ReaderAt, size int64) Facts {
	f := Facts{Size: size}
	found := iso.Read(r, size)
	if found == nil {
		return f
	}
	for _, e := range found.Entries {
		switch {
		case e.Name() == "bios":
			f.BIOS = true
		case e.Name() == "efi" && e.Off > 0 && e.Off < size: // the stated length may be that of one sector
			f.EFI = append(f.EFI, loaders(io.NewSectionReader(r, e.Off, size-e.Off))...)
		}
	}
	return f
}

const sectorSize = 512

// Detect looks for boot parts on a disk of size bytes. A disk without any is not an
// error; a disk that cannot be read is.
func Detect(r io.ReaderAt, size int64) (Facts, error) {
	f := Facts{Size: size}
	var mbr [sectorSize]byte
	if err := readFull(r, mbr[:], 0); err != nil {
		return f, fmt.Errorf("read the disk's first sector: %w", err)
	}
	if mbr[510] != 0x55 || mbr[511] != 0xAA {
		return f, nil
	}
	table, err := partition.Read(r, size)
	if err != nil {
		return f, err
	}
	f.BIOS = table.Boot != nil
	if f.Board, err = board(r, size); err != nil {
		return f, err
	}
	for _, p := range table.Parts {
		if p.Start <= 0 || p.Size <= 0 || p.Start > size-p.Size {
			continue
		}
		part := io.NewSectionReader(r, p.Start, p.Size)
		for _, arch := range loaders(part) {
			if !slices.Contains(f.EFI, arch) {
				f.EFI = append(f.EFI, arch)
			}
		}
		f.Drivers = append(f.Drivers, drivers(part)...)
	}
	slices.Sort(f.Drivers)
	f.Drivers = slices.Compact(f.Drivers)
	return f, nil
}

// loaders are the architectures of the EFI loaders for removable media on a FAT
// file system. Another file system, or a damaged one, has none.
func loaders(r *io.SectionReader) []string {
	fs, err := fat.Open(r, r.Size())
	if err != nil {
		return nil
	}
	t, err := fs.Tree()
	if err != nil {
		return nil
	}
	var out []string
	for _, arch := range []string{"x64", "aa64", "arm", "ia32"} {
		path := "EFI/BOOT/BOOT" + arch + ".EFI"
		if slices.ContainsFunc(t.Entries, func(e tree.Entry) bool { return e.Type() == tree.Regular && strings.EqualFold(e.Path, path) }) {
			out = append(out, arch)
		}
	}
	return out
}

// readFull reads all of b, or returns an error if the disk is too short.
func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// board is the default device tree's name in the header of an Allwinner boot
// program, or "". Its format is in include/sunxi_image.h of U-Boot.
func board(r io.ReaderAt, size int64) (string, error) {
	const at, headerSize = 8192, 96
	if size < at+headerSize {
		return "", nil
	}
	var h [headerSize]byte
	if err := readFull(r, h[:], at); err != nil {
		return "", fmt.Errorf("read boot program: %w", err)
	}
	name := binary.LittleEndian.Uint32(h[32:])
	if string(h[4:12]) != "eGON.BT0" {
		return "", nil
	}
	if string(h[20:23]) != "SPL" || name < 0x24 || name >= headerSize-1 {
		return "unknown", nil
	}
	text, _, _ := bytes.Cut(h[name:], []byte{0})
	for _, c := range text {
		if c < '!' || c > '~' {
			return "unknown", nil
		}
	}
	return string(text), nil
}
