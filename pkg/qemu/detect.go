// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package qemu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
)

// Facts are what of a disk decides on the machine that can boot it.
type Facts struct {
	Size int64 // bytes
	// BIOS says that sector 0 has boot code.
	BIOS bool
	// EFI are the loaders for removable media on a FAT partition, by the names
	// that the UEFI specification gives to architectures: x64, aa64, arm, ia32.
	EFI []string
	// Board is the name of the device tree that an Allwinner boot program at
	// byte 8192 has, such as sun8i-h3-nanopi-neo.
	Board string
}

// Bootable reports whether there is anything that a machine could start.
func (f Facts) Bootable() bool { return f.BIOS || len(f.EFI) > 0 || f.Board != "" }

const (
	sectorSize = 512
	// maxPartitions bounds what is looked at in a GPT.
	maxPartitions = 128
)

// Detect looks for boot parts on a disk of size bytes. A disk without any is
// no error; one that cannot be read is.
func Detect(r io.ReaderAt, size int64) (Facts, error) {
	f := Facts{Size: size}
	var mbr [sectorSize]byte
	if err := readFull(r, mbr[:], 0); err != nil {
		return f, fmt.Errorf("read the disk's first sector: %w", err)
	}
	if mbr[510] != 0x55 || mbr[511] != 0xAA {
		return f, nil
	}
	f.BIOS = slices.ContainsFunc(mbr[:440], func(b byte) bool { return b != 0 })
	var err error
	if f.Board, err = board(r, size); err != nil {
		return f, err
	}
	starts, err := partitions(r, mbr[:])
	if err != nil {
		return f, err
	}
	for _, start := range starts {
		if start <= 0 || start > size-sectorSize {
			continue
		}
		for _, arch := range []string{"x64", "aa64", "arm", "ia32"} {
			found, err := onFAT(io.NewSectionReader(r, start, size-start), "EFI", "BOOT", "BOOT"+arch+".EFI")
			if err != nil {
				return f, err
			}
			if found && !slices.Contains(f.EFI, arch) {
				f.EFI = append(f.EFI, arch)
			}
		}
	}
	return f, nil
}

// readFull reads all of b, or says that the disk is too short.
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

// partitions are the offsets of those that may have a FAT file system: the EFI
// system and data partitions of a GPT (UEFI specification, 5.3), or the
// entries of an MBR.
func partitions(r io.ReaderAt, mbr []byte) ([]int64, error) {
	var starts []int64
	for e := mbr[446:510]; len(e) > 0; e = e[16:] {
		if e[4] == 0xEE {
			return gptPartitions(r)
		}
		if slices.Contains([]byte{0x01, 0x04, 0x06, 0x0B, 0x0C, 0x0E, 0xEF}, e[4]) {
			starts = append(starts, int64(binary.LittleEndian.Uint32(e[8:]))*sectorSize)
		}
	}
	return starts, nil
}

func gptPartitions(r io.ReaderAt) ([]int64, error) {
	var h [92]byte
	if err := readFull(r, h[:], sectorSize); err != nil {
		return nil, fmt.Errorf("read GPT header: %w", err)
	}
	at, n, size := binary.LittleEndian.Uint64(h[72:]), binary.LittleEndian.Uint32(h[80:]), binary.LittleEndian.Uint32(h[84:])
	if string(h[:8]) != "EFI PART" || size < 128 || size > 4096 || at > 1<<40 {
		return nil, nil
	}
	esp := []byte{0x28, 0x73, 0x2A, 0xC1, 0x1F, 0xF8, 0xD2, 0x11, 0xBA, 0x4B, 0x00, 0xA0, 0xC9, 0x3E, 0xC9, 0x3B}
	data := []byte{0xA2, 0xA0, 0xD0, 0xEB, 0xE5, 0xB9, 0x33, 0x44, 0x87, 0xC0, 0x68, 0xB6, 0xB7, 0x26, 0x99, 0xC7}
	var starts []int64
	e := make([]byte, size)
	for i := range min(n, maxPartitions) {
		if err := readFull(r, e, int64(at)*sectorSize+int64(i)*int64(size)); err != nil {
			return nil, fmt.Errorf("read GPT entry %d: %w", i+1, err)
		}
		if first := binary.LittleEndian.Uint64(e[32:]); first < 1<<50 && (bytes.Equal(e[:16], esp) || bytes.Equal(e[:16], data)) {
			starts = append(starts, int64(first)*sectorSize)
		}
	}
	return starts, nil
}

// board is the default device tree's name in the header of an Allwinner boot
// program, "" without one. Its format is include/sunxi_image.h of U-Boot's.
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
