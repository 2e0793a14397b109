// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package beneath

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// RemoveAll removes a file or a directory with all that is below it, also
// where directories lack permissions for their owner. What does not exist is
// no error.
func RemoveAll(path string) error {
	path = filepath.Clean(path)
	if os.RemoveAll(path) == nil {
		return nil
	}
	if err := errors.Join(allow(path), os.RemoveAll(path)); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}

// allow gives the owner all permissions of the directories in path.
func allow(path string) error {
	parent, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer parent.Close()
	return fs.WalkDir(parent.FS(), filepath.Base(path), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // what remains is found by who removes it
		}
		return parent.Chmod(filepath.FromSlash(name), 0o700)
	})
}
