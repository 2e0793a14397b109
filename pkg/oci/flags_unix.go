// SPDX-License-Identifier: MPL-2.0

//go:build unix

package oci

import "golang.org/x/sys/unix"

// nonblock is the flag for an open that does not wait for somebody who writes to a FIFO.
const nonblock = unix.O_NONBLOCK | unix.O_NOCTTY
