// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package disk

import (
	"fmt"
	"os"
)

// checkDevice refuses block devices: only on Linux can it be detected that one is
// in use.
func checkDevice(path string) error {
	return fmt.Errorf("write %s: a block device is written on Linux only; write a file, format %s, and copy that", path, Raw)
}

func openDevice(path string, _ int64) (*os.File, error) { return nil, checkDevice(path) }

// deallocate reports that the range still has to be written.
func deallocate(*os.File, int64, int64) bool { return false }
