// SPDX-License-Identifier: MPL-2.0

package freshdir

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// rename replaces an empty directory, which has to go first.
func rename(from, to string) error {
	if err := syscall.Rmdir(to); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(from, to)
}
