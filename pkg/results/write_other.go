// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package results

import (
	"errors"
	"os"
	"runtime"
)

// extent is the rest of a file: that some of it is a hole is not looked for.
func extent(_ *os.File, off, size int64) (from, to int64) { return off, size }

// syncAll waits until all that was written is on the disk.
func syncAll(root *os.Root, _ *os.File, parts []part) error {
	for _, p := range parts {
		f, err := root.OpenFile(p.temp, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// syncDir waits until the names in a directory are on the disk, where a directory
// can be synced.
func syncDir(dir *os.File) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	return dir.Sync()
}
