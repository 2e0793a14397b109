// SPDX-License-Identifier: MPL-2.0

package decode

import (
	"bytes"
	"syscall"
)

// Memory is the memory of a process.
type Memory interface {
	// Read fills p from an address, completely or not at all.
	Read(addr uint64, p []byte) error
}

// page is the smallest page size: from an address in a page, memory can be read to its end.
const page = 4096

// Limits of the kernel: linux/limits.h, and the size of a unix socket's address.
const (
	pathMax      = 4096
	xattrNameMax = 255
	xattrSizeMax = 65536
	maxSockaddr  = 128
)

// text reads a string that ends in a zero byte, of fewer than size bytes; for a longer string
// the error is tooLong.
func text(m Memory, addr uint64, size int, tooLong syscall.Errno) (string, syscall.Errno) {
	if addr == 0 {
		return "", syscall.EFAULT
	}
	var out []byte
	for n := 256; len(out) < size; n = page {
		// A piece must not cross into a page that is not mapped.
		if rest := int(page - addr%page); n > rest {
			n = rest
		}
		piece := make([]byte, min(n, size-len(out)))
		if m.Read(addr, piece) != nil {
			return "", syscall.EFAULT
		}
		if i := bytes.IndexByte(piece, 0); i >= 0 {
			return string(append(out, piece[:i]...)), 0
		}
		out = append(out, piece...)
		if addr += uint64(len(piece)); addr == 0 {
			return "", syscall.EFAULT
		}
	}
	return "", tooLong
}

// data reads n bytes, at most limit.
func data(m Memory, addr, n uint64, limit int, tooBig syscall.Errno) ([]byte, syscall.Errno) {
	if n > uint64(limit) {
		return nil, tooBig
	}
	if n == 0 {
		return nil, 0
	}
	b := make([]byte, n)
	if m.Read(addr, b) != nil {
		return nil, syscall.EFAULT
	}
	return b, 0
}
