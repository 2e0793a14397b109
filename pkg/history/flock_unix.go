// SPDX-License-Identifier: MPL-2.0

//go:build unix

package history

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lockFile locks a file until it is closed. Where the file system has no locks, the file
// stays without.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	return nil
}

// isLocked reports whether another process has locked a file.
func isLocked(f *os.File) bool {
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		return true // or there are no locks: then only the last event tells
	}
	_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // closing it does as well
	return false
}
