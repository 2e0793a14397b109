// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// nextData is an offset at or after off before which a file of size bytes has no
// data, according to the file system.
func nextData(f *os.File, off, size int64) int64 {
	switch at, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA); {
	case errors.Is(err, unix.ENXIO):
		return size
	case err == nil:
		return min(at, size)
	}
	return off
}
