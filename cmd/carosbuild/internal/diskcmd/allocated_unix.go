// SPDX-License-Identifier: MPL-2.0

//go:build unix

package diskcmd

import (
	"os"
	"syscall"
)

// allocated is the number of bytes that a file occupies on its file system.
func allocated(path string) int64 {
	st, err := os.Stat(path)
	if err != nil {
		return 0
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return sys.Blocks * 512
	}
	return st.Size()
}
