// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// ErrSPL is wrapped if a blob is not one that U-Boot's build makes for an Allwinner
// board, or is damaged.
var ErrSPL = errors.New("no u-boot-sunxi-with-spl.bin")

// Formats of U-Boot proper.
const (
	UImage = "uimage"
	FIT    = "fit"
)

// SPL has the properties of a checked u-boot-sunxi-with-spl.bin.
type SPL struct {
	Version    int    // of the header, 0 before 2015
	Length     int    // of the first stage in bytes
	DeviceTree string // default, such as sun7i-a20-lamobo-r1; "" if the header has none
	Format     string // UImage or FIT, of U-Boot proper
	Offset     int    // offset of U-Boot proper in the blob
	Name       string // such as "U-Boot 2023.01 for sunxi board"
	Verified   bool   // checksums cover every byte; this is not so with most FIT images
}

// CheckSPL checks a blob that is written to byte 8192 of an SD card: header and
// checksum of the first stage, then what it loads, a uImage with both its checksums
// and nothing after it, or a FIT.
func CheckSPL(b []byte) (SPL, error) {
	s, err := firstStage(b)
	if err != nil {
		return SPL{}, err
	}
	s.Offset = max(properAt, s.Length)
	if len(b) < s.Offset+uImageHeader {
		return SPL{}, fmt.Errorf("%w: %d bytes, U-Boot proper would be at %d", ErrSPL, len(b), s.Offset)
	}
	gap := b[s.Length:s.Offset]
	if n := len(gap); bytes.Count(gap, []byte{0}) != n && bytes.Count(gap, []byte{0xFF}) != n {
		return SPL{}, fmt.Errorf("%w: between the first stage (ends at %d) and U-Boot proper (at %d) is something", ErrSPL, s.Length, s.Offset)
	}
	proper := b[s.Offset:]
	switch magic := be.Uint32(proper); magic {
	case uImageMagic:
		s.Format, s.Verified = UImage, true
		s.Name, err = checkProper(proper)
	case fdtMagic:
		s.Format = FIT
		s.Name, err = checkFIT(proper)
	default:
		err = fmt.Errorf("%08x is neither a uImage nor a FIT", magic)
	}
	if err != nil {
		return SPL{}, fmt.Errorf("%w: U-Boot proper at %d: %w", ErrSPL, s.Offset, err)
	}
	return s, nil
}

// firstStage checks what the boot ROM checks, and reads the header.
func firstStage(b []byte) (SPL, error) {
	if len(b) < splHeader || string(b[splMagicAt:splMagicAt+len(splMagic)]) != splMagic {
		return SPL{}, fmt.Errorf("%w: no %s at byte 4", ErrSPL, splMagic)
	}
	n := le.Uint32(b[splLength:])
	if n < splHeader || n%4 != 0 || int64(n) > int64(len(b)) {
		return SPL{}, fmt.Errorf("%w: length of the first stage is %d, of the blob %d", ErrSPL, n, len(b))
	}
	if got, want := wordSum(b[:n]), le.Uint32(b[splSum:]); got != want {
		return SPL{}, fmt.Errorf("%w: checksum of the first stage is %08x, the header says %08x", ErrSPL, got, want)
	}
	s := SPL{Length: int(n)}
	if string(b[splSignature:splSignature+3]) != "SPL" {
		return s, nil
	}
	s.Version = int(b[splSignature+3])
	at := le.Uint32(b[splDTName:])
	if s.Version < 2 || at == 0 {
		return s, nil
	}
	if at >= n {
		return s, fmt.Errorf("%w: name of the device tree is at %d, the first stage ends at %d", ErrSPL, at, n)
	}
	s.DeviceTree, _, _ = strings.Cut(string(b[at:min(at+64, n)]), "\x00")
	return s, nil
}

// wordSum is the sum of all words, with the seed in place of the sum.
func wordSum(b []byte) uint32 {
	sum := uint32(splSumSeed) - le.Uint32(b[splSum:])
	for ; len(b) > 0; b = b[4:] {
		sum += le.Uint32(b)
	}
	return sum
}

// checkProper checks U-Boot proper as a uImage and returns its name.
func checkProper(b []byte) (string, error) {
	size := be.Uint32(b[uImageSize:])
	switch {
	case headerSum(b) != be.Uint32(b[uImageSum:]):
		return "", fmt.Errorf("checksum of the uImage's header is %08x, it says %08x", headerSum(b), be.Uint32(b[uImageSum:]))
	case b[uImageOS] != osUBoot || b[uImageType] != firmware:
		return "", fmt.Errorf("uImage of OS %d and type %d, want %d and %d", b[uImageOS], b[uImageType], osUBoot, firmware)
	case int64(size) != int64(len(b)-uImageHeader):
		return "", fmt.Errorf("uImage has %d bytes of data, it says %d", len(b)-uImageHeader, size)
	}
	if got, want := crc32.ChecksumIEEE(b[uImageHeader:]), be.Uint32(b[uImageDataSum:]); got != want {
		return "", fmt.Errorf("checksum of the uImage's data is %08x, it says %08x", got, want)
	}
	name, _, _ := strings.Cut(string(b[uImageName:uImageHeader]), "\x00")
	return name, nil
}
