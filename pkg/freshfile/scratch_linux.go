// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Scratch opens a file without a name in a directory.
func Scratch(dir string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return os.NewFile(uintptr(fd), filepath.Join(dir, "scratch")), nil
	}
	f, err := os.CreateTemp(dir, "scratch-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
