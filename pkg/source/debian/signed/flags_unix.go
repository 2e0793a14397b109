// SPDX-License-Identifier: MPL-2.0

//go:build unix

package signed

import "golang.org/x/sys/unix"

// nonblock prevents opening a FIFO from waiting for a writer.
const nonblock = unix.O_NONBLOCK
