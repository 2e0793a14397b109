// SPDX-License-Identifier: MPL-2.0

//go:build unix

package freshfile

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// NoFollow is the flag for opening nothing that a symbolic link leads to, where
// there is one.
const NoFollow = unix.O_NOFOLLOW

// How Flock and TryLock lock.
const (
	LockExclusive = unix.LOCK_EX
	LockShared    = unix.LOCK_SH
)

// lock waits for a lock of an open file.
func lock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
			return err
		}
	}
}

// TryLock locks an open file as Flock does, and reports whether it could, or
// somebody else has the lock.
func TryLock(f *os.File, how int) (bool, error) {
	err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// settle gives a locked file its name and closes it, or removes it after an error.
func settle(f *os.File, path string, err error) error {
	if err == nil {
		err = giveName(f, path)
	}
	if err != nil {
		return errors.Join(err, Discard(f))
	}
	return f.Close()
}

// removeLeft removes a file that nobody has locked.
func removeLeft(path string) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	if left, err := lockFresh(f); err == nil && left {
		_ = os.Remove(f.Name())
	}
	f.Close()
}

// removeLocked removes a locked file, whose lock then ends.
func removeLocked(f *os.File, path string) error { return errors.Join(os.Remove(path), f.Close()) }

// SyncDir waits until the names in a directory are on the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
