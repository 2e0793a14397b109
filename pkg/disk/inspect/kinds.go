// SPDX-License-Identifier: MPL-2.0

package inspect

import "github.com/carosio/carosbuild/pkg/disk"

// magic recognises a kind of content by bytes at an offset. Names are blkid's,
// except for its suffixes.
type magic struct {
	off         int64
	magic, kind string
}

// magics recognise kinds of content that are not read.
var magics = []magic{
	{0, "verity\x00\x00", "verity"},
	{0, "LUKS\xba\xbe", "luks"},
	{0, "XFSB", "xfs"},
	{0, "-rom1fs-", "romfs"},
	{0, "\xed\xc3\x02\xe9\x98\x56\xe5\x0c", "swsuspend"},
	{544, "BFS1", "befs"},
	{544, "1SFB", "befs"},
	{1024, "OCFSV2", "ocfs2"},
	{2048, "OCFSV2", "ocfs2"},
	{4096, "OCFSV2", "ocfs2"},
	{9564, "\x54\x19\x01\x00", "ufs"},
	{66908, "\x19\x01\x54\x19", "ufs"},
	{0x10000, "ReIsEr4", "reiser4"},
	{1 << 20, "\x0d\xd0\x01\xc0", "VMFS"},
	{2 << 20, "\x5e\xf1\xab\x2f", "VMFS"},
	{0, "\x45\x3d\xcd\x28", "cramfs"},
	{0, "\x28\xcd\x3d\x45", "cramfs"},
	{0, "UBI#", "ubi"},
	{0, "\x31\x18\x10\x06", "ubifs"},
	{0, "sqsh", "squashfs3"},
	{3, "NTFS    ", "ntfs"},
	{3, "EXFAT   ", "exfat"},
	{3, "-FVE-FS-", "bitlocker"},
	{32, "NXSB", "apfs"},
	{512, "LABELONE", "lvm"},
	{1024, "\x10\x20\xf5\xf2", "f2fs"},
	{1024, "H+\x00\x04", "hfsplus"},
	{1024, "HX\x00\x05", "hfsplus"},
	{1030, "\x34\x34", "nilfs2"},
	{4096, "\xfc\x4e\x2b\xa9", "mdraid"},
	{0, "\xfc\x4e\x2b\xa9", "mdraid"},
	{4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca", "bcache"},
	{4120, "\xc6\x85\x73\xf6\x66\xce\x90\xa9", "bcachefs"},
	{4086, "SWAPSPACE2", "swap"},
	{4086, "SWAP-SPACE", "swap"},
	{4086, "S1SUSPEND\x00", "swsuspend"},
	{4086, "S2SUSPEND\x00", "swsuspend"},
	{4086, "ULSUSPEND\x00", "swsuspend"},
	{0x8000, "JFS1", "jfs"},
	{0x8001, "CD001", "iso9660"},
	{0x10034, "ReIsErFs", "reiserfs"},
	{0x10034, "ReIsEr2Fs", "reiserfs"},
	{0x10034, "ReIsEr3Fs", "reiserfs"},
	{0x10000, "\x01\x16\x19\x70", "gfs2"},
	{0x10040, "_BHRfS_M", "btrfs"},
}

// udf reports whether there is UDF, alone or beside ISO 9660's descriptors.
func (v *volume) udf() bool {
	if v.has(0x8001, "BEA01") {
		return true
	}
	for at := int64(0x8001); at < 0x8001+64*2048; at += 2048 {
		switch {
		case v.has(at, "NSR02"), v.has(at, "NSR03"):
			return true
		case v.has(at, "CD001"), v.has(at, "BEA01"), v.has(at, "BOOT2"), v.has(at, "CDW02"):
		default:
			return false
		}
	}
	return false
}

// weakMagics have only two bytes, and are checked last.
var weakMagics = []magic{
	{0, "\x85\x19", "jffs2"},
	{1040, "\x7f\x13", "minix"},
	{1040, "\x8f\x13", "minix"},
	{1040, "\x68\x24", "minix"},
	{1040, "\x78\x24", "minix"},
	{1048, "\x5a\x4d", "minix"},
	{1024, "BD", "hfs"},
}

func (v *volume) weak() string {
	for _, m := range weakMagics {
		if v.has(m.off, m.magic) {
			return m.kind
		}
	}
	return ""
}

// checkable reports whether a kind without files is checked: a swap area; hash
// trees and discs are checked elsewhere.
func checkable(kind string) bool {
	is := disk.FileSystemOf(kind)
	return kind == "" || kind == "iso9660" || is.Name != "" && is.Open == nil
}
