// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Write writes a file beside its place and renames it; durable waits for
// the disk.
func Write(path string, data []byte, durable bool) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return Rename(f, path, durable, err)
}

// Rename closes a temporary file and gives it its name, or removes it
// after an error.
func Rename(f *os.File, path string, durable bool, err error) error {
	if err == nil && durable {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	if !durable {
		return nil
	}
	return SyncDir(filepath.Dir(path))
}

// Flock opens or makes a file, but nothing that a symbolic link leads to, and locks it
// until the file is closed or the process ends. How is LockExclusive or LockShared.
func Flock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|NoFollow, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lock(f, how); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
