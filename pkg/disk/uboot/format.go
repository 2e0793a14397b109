// SPDX-License-Identifier: MPL-2.0

package uboot

import "encoding/binary"

var be, le = binary.BigEndian, binary.LittleEndian

// The legacy uImage (include/image.h, struct legacy_img_hdr): 64 bytes, big endian,
// before the data.
const (
	uImageMagic  = 0x27051956
	uImageHeader = 64

	uImageSum     = 4 // crc32 of the header with this field 0
	uImageTime    = 8
	uImageSize    = 12 // of the data
	uImageDataSum = 24
	uImageOS      = 28
	uImageArch    = 29
	uImageType    = 30
	uImageName    = 32 // 32 bytes

	osLinux  = 5
	osUBoot  = 17
	archARM  = 2
	firmware = 5 // type
	script   = 6 // type
)

// The header of a first stage that Allwinner's boot ROM loads, with U-Boot's fields
// (arch/arm/include/asm/arch-sunxi/spl.h, struct boot_file_head); little endian.
const (
	splMagic     = "eGON.BT0"
	splMagicAt   = 4
	splSum       = 12 // sum of all words, with splSumSeed in this field
	splSumSeed   = 0x5F0A6C39
	splLength    = 16
	splSignature = 20 // "SPL" and a version; blobs before 2015 have none
	splDTName    = 32 // offset of the default device tree's name, from version 2 on
	splHeader    = 64

	properAt = 0x8000 // U-Boot proper, unless the first stage is longer
)

// The flattened device tree (Devicetree Specification 0.4, section 5), big endian,
// of which a FIT image consists (doc/uImage.FIT).
const (
	fdtMagic  = 0xD00DFEED
	fdtHeader = 40

	fdtTotal       = 4
	fdtStruct      = 8
	fdtStrings     = 12
	fdtStringsSize = 32
	fdtStructSize  = 36

	fdtBegin = 1
	fdtEnd   = 2
	fdtProp  = 3
	fdtNop   = 4
	fdtDone  = 9
)
