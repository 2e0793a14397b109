// SPDX-License-Identifier: MPL-2.0

package freshfile

import (
	"fmt"
	"os"
	"path/filepath"
)

// Write writes a file beside its place and renames it; durable waits for
// the disk.
func Write(path string, data []byte, durable bool) error {
	f, err := Create(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return Rename(f, path, durable, err)
}

// Rename gives a file from Create its name and closes it, or removes it after an
// error.
func Rename(f *os.File, path string, durable bool, err error) error {
	if err == nil && durable {
		err = f.Sync()
	}
	if err := settle(f, path, err); err != nil || !durable {
		return err
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
