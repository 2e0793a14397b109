// SPDX-License-Identifier: MPL-2.0

// Package swap makes swap areas as mkswap does, in pages of 4096 bytes.
// Lists of bad pages are left out.
package swap

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/image"
)

// union swap_header of the kernel (include/linux/swap.h), version 1, in native byte
// order, which is little endian on all supported machines.
const (
	pageSize  = 4096
	minPages  = 10 // mkswap's limit
	maxPages  = 1 << 32
	signature = "SWAPSPACE2" // the last 10 bytes of the first page

	atVersion  = 1024
	atLastPage = 1028
	atUUID     = 1036
	atLabel    = 1052
	labelSize  = 15 // followed by a zero byte, as in mkswap
)

// Build makes a swap area of size bytes; the part after its last whole page is
// unused. label has at most 15 bytes.
func Build(size int64, label string, uuid [16]byte) (*image.Image, error) {
	pages := size / pageSize
	switch {
	case pages < minPages:
		return nil, fmt.Errorf("swap of %d bytes: it needs at least %d", size, minPages*pageSize)
	case pages > maxPages:
		return nil, fmt.Errorf("swap of %d bytes: the kernel uses at most %d", size, int64(maxPages*pageSize))
	case len(label) > labelSize || strings.IndexByte(label, 0) >= 0:
		return nil, fmt.Errorf("swap label %q: at most %d bytes fit", label, labelSize)
	}
	le := binary.LittleEndian
	b := make([]byte, pageSize)
	le.PutUint32(b[atVersion:], 1)
	le.PutUint32(b[atLastPage:], uint32(pages-1))
	copy(b[atUUID:], uuid[:])
	copy(b[atLabel:], label)
	copy(b[pageSize-len(signature):], signature)
	return image.New(size, []image.Extent{{Len: pageSize, Src: image.Bytes(b)}})
}
