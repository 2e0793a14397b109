// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build !linux && !darwin

package disk

import (
	"errors"
	"os"
)

// statfs does not know what the file system of a directory has.
func statfs(string) (fileSystem, error) { return fileSystem{}, errors.ErrUnsupported }

// roomOf sets no limit: a write ends when the file system is full.
func roomOf(*os.File) (spare, reserve int64, err error) {
	spare, reserve = roomIn(0, 0, 0)
	return spare, reserve, nil
}
