// SPDX-License-Identifier: MPL-2.0

//go:build unix

package freshdir

import "golang.org/x/sys/unix"

// rename replaces an empty directory, which os.Rename refuses to do.
func rename(from, to string) error { return unix.Rename(from, to) }
