// SPDX-License-Identifier: MPL-2.0

package results

import (
	"os"

	"golang.org/x/sys/unix"
)

// extent is the next part of a file, from off on, that is not a hole. If
// the file system cannot tell, it is the rest.
func extent(f *os.File, off, size int64) (from, to int64) {
	from, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	if err == unix.ENXIO {
		return size, size
	}
	if err != nil {
		return off, size
	}
	to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
	if err != nil {
		return from, size
	}
	return min(from, size), min(to, size)
}

// syncAll waits until all that was written is on the disk.
func syncAll(_ *os.Root, dir *os.File, _ []part) error { return unix.Syncfs(int(dir.Fd())) }

// syncDir waits until the names in a directory are on the disk.
func syncDir(dir *os.File) error { return dir.Sync() }
