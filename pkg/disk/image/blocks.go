// SPDX-License-Identifier: MPL-2.0

package image

import (
	"fmt"
	"io"
)

// ReadBlocks is ReadAt for a device of size bytes that is stored in blocks: read is
// called for one piece after another, none of which crosses a block.
func ReadBlocks(p []byte, off, size, block int64, read func(p []byte, off int64) error) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	for n := 0; ; {
		pos := off + int64(n)
		switch {
		case n == len(p):
			return n, nil
		case pos >= size:
			return n, io.EOF
		}
		k := int(min(int64(len(p)-n), block-pos%block, size-pos))
		if err := read(p[n:n+k], pos); err != nil {
			return n, fmt.Errorf("disk at %d: %w", pos, err)
		}
		n += k
	}
}
