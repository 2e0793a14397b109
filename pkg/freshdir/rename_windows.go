// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

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
