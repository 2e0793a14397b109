// SPDX-License-Identifier: MPL-2.0

//go:build unix

package registry

import (
	"os"
	"syscall"
)

func isOurs(path string) bool {
	st, err := os.Lstat(path)
	if err != nil {
		return false
	}
	s, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Getuid()
}
