// SPDX-License-Identifier: MPL-2.0

// Package freshdir makes directories that appear complete or not at all.
package freshdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Check says whether Make would take dir: it must not exist, or be an empty
// directory.
func Check(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty", dir)
	}
	return err
}

// Make has fill write into a directory beside dir, which then gets dir's name.
// If anything fails, nothing is left of it, and what a killed process has left of it is
// removed.
func Make(dir string, fill func(tmp string) error) (err error) {
	dir = filepath.Clean(dir)
	if err := Check(dir); err != nil {
		return err
	}
	prefix := "." + filepath.Base(dir) + ".new-"
	sweep(filepath.Dir(dir), prefix)
	tmp, unlock, err := makeTemp(filepath.Dir(dir), prefix)
	if err != nil {
		return err
	}
	defer unlock()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	if err := fill(tmp); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := rename(tmp, dir); err != nil {
		return &os.LinkError{Op: "rename", Old: tmp, New: dir, Err: err}
	}
	return nil
}
