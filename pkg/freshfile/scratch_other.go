// SPDX-License-Identifier: MPL-2.0

//go:build unix && !linux

package freshfile

import "os"

// Scratch opens a file without a name in a directory.
func Scratch(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "scratch-")
	if err != nil {
		return nil, err
	}
	return f, os.Remove(f.Name())
}
