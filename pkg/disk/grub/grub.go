// SPDX-License-Identifier: MPL-2.0

// Package grub prepares GRUB's i386-pc boot sector and core image for a disk
// without grub-install, and writes the configuration texts of GRUB and
// systemd-boot. Making core.img from modules is left to grub-mkimage.
package grub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrImage is wrapped if boot.img or core.img is not one that GRUB 2 ships.
var ErrImage = errors.New("unexpected GRUB image")

// Offsets in boot.img and core.img, from GRUB's boot.h, and the values as
// shipped (GRUB 2.06).
const (
	sectorSize  = 512
	codeSize    = 440   // of a boot sector; the rest of boot.img is floppy code
	bootCore    = 0x5C  // u64: LBA of core.img
	bootDrive   = 0x64  // u8: FF means the drive that the BIOS passes
	bootCheck   = 0x66  // u16: a jump over the check of the drive number
	coreBlocks  = 0x1F4 // u64: LBA of the second sector
	coreLength  = 0x1FC // u16: sectors after the first
	coreSegment = 0x1FE // u16: segment at which they are loaded
	loadSegment = 0x0820
	maxCore     = 0x7FFF * sectorSize
)

// BootSector is the code of a boot sector that loads core.img from coreLBA.
// bootImg is boot.img as shipped.
func BootSector(bootImg []byte, coreLBA uint64) ([codeSize]byte, error) {
	var b [codeSize]byte
	le := binary.LittleEndian
	switch {
	case len(bootImg) != sectorSize:
		return b, fmt.Errorf("%w: boot.img has %d bytes, want %d", ErrImage, len(bootImg), sectorSize)
	case le.Uint16(bootImg[510:]) != 0xAA55:
		return b, fmt.Errorf("%w: boot.img does not end in 55 AA", ErrImage)
	case le.Uint64(bootImg[bootCore:]) != 1:
		return b, fmt.Errorf("%w: boot.img names sector %d at 0x5C, want 1", ErrImage, le.Uint64(bootImg[bootCore:]))
	case bootImg[bootDrive] != 0xFF:
		return b, fmt.Errorf("%w: boot.img has %#02x at 0x64, want 0xff", ErrImage, bootImg[bootDrive])
	case bootImg[bootCheck] != 0xEB:
		return b, fmt.Errorf("%w: boot.img has %#02x at 0x66, want 0xeb", ErrImage, bootImg[bootCheck])
	}
	copy(b[:], bootImg)
	le.PutUint64(b[bootCore:], coreLBA)
	// As grub-bios-setup does for hard disks: keep the workaround for BIOSes that
	// pass a wrong drive number.
	copy(b[bootCheck:], "\x90\x90")
	return b, nil
}

// Core is core.img for a place on disk that starts at coreLBA.
func Core(coreImg []byte, coreLBA uint64) ([]byte, error) {
	le := binary.LittleEndian
	if len(coreImg) <= sectorSize || len(coreImg) > maxCore {
		return nil, fmt.Errorf("%w: core.img has %d bytes", ErrImage, len(coreImg))
	}
	sectors := (len(coreImg) - 1) / sectorSize
	switch {
	case le.Uint64(coreImg[coreBlocks:]) != 2:
		return nil, fmt.Errorf("%w: core.img names sector %d at 0x1F4, want 2", ErrImage, le.Uint64(coreImg[coreBlocks:]))
	case int(le.Uint16(coreImg[coreLength:])) != sectors:
		return nil, fmt.Errorf("%w: core.img says it has %d sectors after the first, and has %d", ErrImage, le.Uint16(coreImg[coreLength:]), sectors)
	case le.Uint16(coreImg[coreSegment:]) != loadSegment:
		return nil, fmt.Errorf("%w: core.img loads at segment %#x, want %#x", ErrImage, le.Uint16(coreImg[coreSegment:]), loadSegment)
	}
	b := slices.Clone(coreImg)
	le.PutUint64(b[coreBlocks:], coreLBA+1)
	return b, nil
}
