// SPDX-License-Identifier: MPL-2.0

// Package uboot makes and checks the parts of a U-Boot boot chain: boot
// scripts, extlinux.conf, and the blobs of Allwinner boards. Making U-Boot
// itself, and FIT images, is left to U-Boot's tools.
package uboot

import (
	"hash/crc32"
	"slices"
)

// Script is a boot script with its header, as made by mkimage -A arm -O linux -T
// script -C none -n name. A name of more than 32 bytes is truncated; time is in
// seconds since 1970.
func Script(text []byte, name string, time int64) []byte {
	b := make([]byte, uImageHeader, uImageHeader+8+len(text))
	b = be.AppendUint32(b, uint32(len(text)))
	b = be.AppendUint32(b, 0) // ends the list of lengths
	b = append(b, text...)
	be.PutUint32(b, uImageMagic)
	be.PutUint32(b[uImageTime:], uint32(time))
	be.PutUint32(b[uImageSize:], uint32(len(b)-uImageHeader))
	be.PutUint32(b[uImageDataSum:], crc32.ChecksumIEEE(b[uImageHeader:]))
	b[uImageOS], b[uImageArch], b[uImageType] = osLinux, archARM, script
	copy(b[uImageName:uImageHeader], name)
	be.PutUint32(b[uImageSum:], headerSum(b))
	return b
}

// headerSum is the checksum of a uImage's header.
func headerSum(b []byte) uint32 {
	h := slices.Clone(b[:uImageHeader])
	be.PutUint32(h[uImageSum:], 0)
	return crc32.ChecksumIEEE(h)
}
