// SPDX-License-Identifier: MPL-2.0

package decode

import (
	"bytes"
	"syscall"
)

// Memory is that of a process.
type Memory interface {
	// Read fills p with what begins at an address, all of it or none.
	Read(addr uint64, p []byte) error
}

// page is the smallest size of a page: what begins inside one can be read up to its end.
const page = 4096

// Limits of the kernel: linux/limits.h, and of an address of a unix socket.
const (
	pathMax      = 4096
	xattrNameMax = 255
	xattrSizeMax = 65536
	maxSockaddr  = 128
)

// text reads a string that ends with a zero byte, of fewer than size bytes; a longer one
// is the error that tooLong says.
func text(m Memory, addr uint64, size int, tooLong syscall.Errno) (string, syscall.Errno) {
	if addr == 0 {
		return "", syscall.EFAULT
	}
	var out []byte
	for n := 256; len(out) < size; n = page {
		// A piece may not cross into a page that is not there.
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

// data reads n bytes, of at most limit.
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
