// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"fmt"
	"io"
)

// maxBlob bounds what is read of a disk.
const maxBlob = 16 << 20

// Blob reads a blob from a disk, as CheckSPL takes it: from byte off to where
// the uImage in it ends, or without one to byte limit. It is nil, without an
// error, when no first stage for Allwinner is there.
func Blob(r io.ReaderAt, off, limit int64) ([]byte, error) {
	b := make([]byte, max(min(limit-off, maxBlob), 0))
	if len(b) < splHeader {
		return nil, nil
	}
	if n, err := r.ReadAt(b[:splHeader], off); n < splHeader {
		return nil, fmt.Errorf("read boot loader at byte %d: %w", off, err)
	}
	if string(b[splMagicAt:splMagicAt+len(splMagic)]) != splMagic {
		return nil, nil
	}
	if n, err := r.ReadAt(b, off); n < len(b) {
		return nil, fmt.Errorf("read boot loader at byte %d: %w", off, err)
	}
	at := max(properAt, int64(le.Uint32(b[splLength:])))
	if at+uImageHeader > int64(len(b)) || be.Uint32(b[at:]) != uImageMagic {
		return b, nil
	}
	return b[:min(at+uImageHeader+int64(be.Uint32(b[at+uImageSize:])), int64(len(b)))], nil
}
