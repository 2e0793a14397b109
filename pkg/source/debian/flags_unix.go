// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

//go:build unix

package debian

import "golang.org/x/sys/unix"

// nonblock is for opening what may be a FIFO, which would wait for a writer.
const nonblock = unix.O_NONBLOCK
