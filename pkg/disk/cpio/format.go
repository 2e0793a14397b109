// SPDX-License-Identifier: MPL-2.0

package cpio

import (
	"encoding/hex"
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// The formats "newc" and "crc" (the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst): a magic number of 6
// characters, 13 numbers of 8 hexadecimal digits each, the name with a NUL, the
// content. Name and content end at a multiple of 4 bytes.
const (
	magicNewc  = "070701"
	magicCRC   = "070702" // with the sum of the content's bytes
	magicODC   = "070707"
	magicOld   = "\xc7\x71" // 070707 as a number of 2 bytes
	magicOldBE = "\x71\xc7"
	headerSize = 6 + 13*8
	align      = 4
	trailer    = "TRAILER!!!"

	// maxNameSize is the kernel's PATH_MAX, NUL included.
	maxNameSize = 4096
)

// header is the part of a member before the name.
type header struct {
	crc        bool
	inode      [3]uint32 // number, and the device's number: they identify the file
	mode       uint32
	uid, gid   uint32
	links      uint32
	mtime      uint32 // seconds since 1970
	size       int64  // of the content
	rdev       tree.Device
	nameSize   int64 // with the NUL
	check      uint32
	start, end int64 // of the whole member in the archive
	content    int64 // its offset
	name       string
}

// parse parses everything except the name.
func (h *header) parse(b []byte) error {
	switch magic := string(b[:6]); magic {
	case magicNewc:
	case magicCRC:
		h.crc = true
	default:
		return fmt.Errorf("no member begins there, but %q", magic)
	}
	var n [13]uint32
	for i := range n {
		var v [4]byte
		if _, err := hex.Decode(v[:], b[6+8*i:][:8]); err != nil {
			return fmt.Errorf("%.8q is not a hexadecimal number", b[6+8*i:])
		}
		n[i] = uint32(v[0])<<24 | uint32(v[1])<<16 | uint32(v[2])<<8 | uint32(v[3])
	}
	h.inode = [3]uint32{n[0], n[7], n[8]}
	h.mode, h.uid, h.gid, h.links, h.mtime, h.size = n[1], n[2], n[3], n[4], n[5], int64(n[6])
	h.rdev, h.nameSize, h.check = tree.Device{Major: n[9], Minor: n[10]}, int64(n[11]), n[12]
	return nil
}

func padded(n int64) int64 { return (n + align - 1) / align * align }
