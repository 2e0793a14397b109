// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build unix

package freshdir

import "golang.org/x/sys/unix"

// rename replaces an empty directory, which os.Rename refuses to do.
func rename(from, to string) error { return unix.Rename(from, to) }
