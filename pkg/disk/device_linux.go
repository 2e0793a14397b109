// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// checkDevice reports whether a block device is not in use.
func checkDevice(path string) error {
	f, err := exclusive(path, os.O_RDONLY)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := unix.Access(path, unix.W_OK); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// exclusive opens a block device that is not in use: the kernel refuses O_EXCL for
// a device that is mounted, or part of a RAID, a volume group or a swap area, and
// for a device with such a partition.
func exclusive(path string, flags int) (*os.File, error) {
	f, err := os.OpenFile(path, flags|unix.O_EXCL, 0)
	if errors.Is(err, unix.EBUSY) {
		return nil, fmt.Errorf("write %s: it is in use: it, or a partition of it, is mounted, swapped to, or part of a RAID or volume group: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	// The kernel opens even a read-only device for writing, and refuses only the first
	// write.
	if ro, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKROGET); err == nil && ro != 0 {
		return nil, errors.Join(fmt.Errorf("write %s: the device is read-only", path), f.Close())
	}
	return f, nil
}

// openDevice opens a block device for a disk of size bytes. The rest of the device
// is not changed.
func openDevice(path string, size int64) (*os.File, error) {
	f, err := exclusive(path, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	have, err := f.Seek(0, io.SeekEnd)
	if err == nil && have < size {
		err = fmt.Errorf("it has %d bytes, and the disk needs %d", have, size)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return f, nil
}

// deallocate reports whether the kernel has made a range read as zero.
func deallocate(f *os.File, off, n int64) bool {
	for _, mode := range []uint32{unix.FALLOC_FL_PUNCH_HOLE, unix.FALLOC_FL_ZERO_RANGE} {
		var err error = unix.EINTR
		for errors.Is(err, unix.EINTR) {
			err = unix.Fallocate(int(f.Fd()), mode|unix.FALLOC_FL_KEEP_SIZE, off, n)
		}
		if err == nil {
			return true
		}
	}
	return false
}
