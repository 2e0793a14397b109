// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package files

import "io/fs"

// identityOf is for Linux.
func identityOf(fs.FileInfo) (id identity, ok bool) { return id, false }
