// SPDX-License-Identifier: MPL-2.0

package disk

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// create opens a file in dir, without a name if that is possible.
func create(dir, temp string) (f *os.File, named bool, err error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if err == nil {
		return os.NewFile(uintptr(fd), temp), false, nil
	}
	f, err = createNamed(temp)
	return f, err == nil, err
}

// link gives a nameless file the name temp.
func link(f *os.File, temp string) error {
	if err := lock(f); err != nil {
		return err
	}
	proc := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if err := unix.Linkat(unix.AT_FDCWD, proc, unix.AT_FDCWD, temp, unix.AT_SYMLINK_FOLLOW); err != nil {
		return fmt.Errorf("link output as %s: %w", temp, err)
	}
	return nil
}
