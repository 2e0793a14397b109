// SPDX-License-Identifier: MPL-2.0

//go:build unix

package history

import (
	"io/fs"
	"syscall"
)

// Inode is the number of a file, which tells it from one that has taken its name.
func Inode(st fs.FileInfo) uint64 { return st.Sys().(*syscall.Stat_t).Ino }
