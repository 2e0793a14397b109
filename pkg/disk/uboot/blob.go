// SPDX-License-Identifier: MPL-2.0

package uboot

import (
	"fmt"
	"io"
)

// maxBlob bounds how much of a disk is read.
const maxBlob = 16 << 20

// Blob reads a blob from a disk, in the form for CheckSPL: from byte off to the end
// of the uImage in it or, without one, to byte limit. It is nil, without an error,
// if there is no first stage for Allwinner.
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
