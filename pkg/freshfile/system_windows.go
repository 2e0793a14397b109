// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/windows"
)

// NoFollow is the flag for opening nothing that a symbolic link leads to, where
// there is one.
const NoFollow = 0

// How Flock and TryLock lock.
const (
	LockExclusive = windows.LOCKFILE_EXCLUSIVE_LOCK
	LockShared    = 0
)

// lockAt is where the locked byte is: Windows lets nobody else read or write it,
// so it is one that no file has.
const lockAt = 1 << 30

func lockByte(f *os.File, how uint32) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockAt})
}

// lock waits for a lock of an open file.
func lock(f *os.File, how int) error { return lockByte(f, uint32(how)) }

// TryLock locks an open file as Flock does, and reports whether it could, or
// somebody else has the lock.
func TryLock(f *os.File, how int) (bool, error) {
	err := lockByte(f, uint32(how)|windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// settle closes a file and gives it its name, or removes it after an error. An
// open file cannot be renamed.
func settle(f *os.File, path string, err error) error {
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// removeLeft removes a file that nobody has open: others cannot be removed.
func removeLeft(path string) { _ = os.Remove(path) }

// removeLocked closes a locked file and removes it, unless somebody else has
// opened it to lock it: then that one removes it.
func removeLocked(f *os.File, path string) error {
	err := f.Close()
	if e := os.Remove(path); !errors.Is(e, windows.ERROR_SHARING_VIOLATION) {
		err = errors.Join(err, e)
	}
	return err
}

// SyncDir does nothing: on Windows, directories cannot be synced.
func SyncDir(string) error { return nil }

// Scratch opens a file in a directory that is gone once it is closed.
func Scratch(dir string) (*os.File, error) {
	return os.OpenFile(filepath.Join(dir, "scratch-"+rand.Text()), os.O_RDWR|os.O_CREATE|os.O_EXCL|windows.FILE_FLAG_DELETE_ON_CLOSE, 0o600)
}
