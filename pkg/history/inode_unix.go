// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build unix

package history

import (
	"io/fs"
	"syscall"
)

// Inode is the number of a file, which tells it from one that has taken its name.
func Inode(st fs.FileInfo) uint64 { return st.Sys().(*syscall.Stat_t).Ino }
