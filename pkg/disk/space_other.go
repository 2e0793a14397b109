// SPDX-License-Identifier: MPL-2.0

//go:build !linux && !darwin

package disk

import (
	"errors"
	"os"
)

// statfs does not know the space of a directory's file system.
func statfs(string) (fileSystem, error) { return fileSystem{}, errors.ErrUnsupported }

// roomOf sets no limit: a write ends when the file system is full.
func roomOf(*os.File) (spare, reserve int64, err error) {
	spare, reserve = roomIn(0, 0, 0)
	return spare, reserve, nil
}
