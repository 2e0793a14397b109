// SPDX-License-Identifier: MPL-2.0

package cow

import (
	"os"

	"golang.org/x/sys/unix"
)

// zero makes a range of a file a hole if the file system can do that.
func zero(f *os.File, off, n int64) error {
	err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		return writeZeros(f, off, n)
	}
	return err
}
