// SPDX-License-Identifier: MPL-2.0

//go:build unix

package oci

import "golang.org/x/sys/unix"

// nonblock is the flag that lets opening a FIFO return without a writer.
const nonblock = unix.O_NONBLOCK | unix.O_NOCTTY
