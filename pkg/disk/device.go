// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"context"
	"os"
)

const zeroStep = 64 << 20

// zeroRange makes a range of a device, or of the file that stands in for one, read
// as zero: by discarding if that is guaranteed to give zeros, else by a request to
// the kernel or, as a last resort, by writing zeros.
func zeroRange(ctx context.Context, f *os.File, off, n int64) error {
	for end := off + n; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		k := min(zeroStep, end-off)
		if !deallocate(f, off, k) {
			if err := writeZeros(f, off, k); err != nil {
				return err
			}
		}
		off += k
	}
	return nil
}

func writeZeros(f *os.File, off, n int64) error {
	b := make([]byte, min(n, 1<<20))
	for end := off + n; off < end; {
		k, err := f.WriteAt(b[:min(int64(len(b)), end-off)], off)
		if err != nil {
			return err
		}
		off += int64(k)
	}
	return nil
}
