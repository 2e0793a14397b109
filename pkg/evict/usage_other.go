// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package evict

import (
	"os"
	"time"
)

// usage is how large one file is, and when it was written: what it takes of the
// disk, and when it was read, no two systems tell in one way.
func usage(path string) (size int64, used time.Time, err error) {
	st, err := os.Lstat(path)
	if err != nil {
		return 0, time.Time{}, err
	}
	if st.Mode().IsRegular() {
		size = st.Size()
	}
	return size, st.ModTime(), nil
}
