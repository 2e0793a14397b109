// SPDX-License-Identifier: MPL-2.0

package files

import (
	"io/fs"
	"syscall"
)

// identityOf is what a regular file is known by.
func identityOf(st fs.FileInfo) (id identity, ok bool) {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok || !st.Mode().IsRegular() {
		return id, false
	}
	return identity{int64(sys.Dev), int64(sys.Ino), sys.Size, sys.Mtim.Nano(), sys.Ctim.Nano()}, true
}
