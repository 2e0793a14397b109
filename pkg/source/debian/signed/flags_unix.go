// SPDX-License-Identifier: MPL-2.0

//go:build unix

package signed

import "golang.org/x/sys/unix"

// nonblock is for opening what may be a FIFO, which would wait for a writer.
const nonblock = unix.O_NONBLOCK
