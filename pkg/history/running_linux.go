// SPDX-License-Identifier: MPL-2.0

package history

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// runningName is the file, beside a build's report, that is locked while the build runs.
const runningName = "running.lock"

// Hold notes, in the directory of a build's logs, that the build runs, until release or
// the end of the process. Several may hold one.
func Hold(dir string) (release func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("note that a build runs: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, runningName), os.O_CREATE|os.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("note that a build runs: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH) // who looks whether it runs has the lock for a moment
	for err == unix.EINTR {
		err = unix.Flock(int(f.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("note that a build runs: %w", err), f.Close())
	}
	return f.Close, nil
}

// Runs reports whether a build runs.
func Runs(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, runningName), os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK
}
