// SPDX-License-Identifier: MPL-2.0

// Package freshdir makes directories that appear complete or not at all.
package freshdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Check says whether Make would take dir: it must not exist, or be a directory with
// nothing in it but what other calls of Make are filling, or have left.
func Check(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix(dir)) {
			return fmt.Errorf("%s is not empty", dir)
		}
	}
	return err
}

// prefix is what the names of directories begin with that are filled for dir.
func prefix(dir string) string { return "." + filepath.Base(filepath.Clean(dir)) + ".new-" }

// Make has fill write into a directory beside dir, which then gets dir's name. An empty
// directory that there is stays, since it may be a mount point, a link's, or where somebody
// works: fill writes into a hidden directory in it, and what is there moves up in the end.
// If anything fails, nothing is left of it, and what a killed process has left of it is removed.
func Make(dir string, fill func(tmp string) error) (err error) {
	dir = filepath.Clean(dir)
	if err := Check(dir); err != nil {
		return err
	}
	parent, finish := filepath.Dir(dir), become
	if _, err := os.Stat(dir); err == nil {
		parent, finish = dir, moveUp
	}
	sweep(parent, prefix(dir))
	tmp, unlock, err := makeTemp(parent, prefix(dir))
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
	return finish(tmp, dir)
}

// become gives a directory its name.
func become(tmp, dir string) error {
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	if err := rename(tmp, dir); err != nil {
		return &os.LinkError{Op: "rename", Old: tmp, New: dir, Err: err}
	}
	return nil
}

// moveUp moves all that is in a directory into the one above it, which has nothing else. What
// has moved goes back if the rest cannot move.
func moveUp(tmp, dir string) (err error) {
	others, err := os.ReadDir(dir)
	if err == nil && len(others) > 1 {
		err = fmt.Errorf("%s is not empty", dir)
	}
	if err != nil {
		return err
	}
	all, err := os.ReadDir(tmp)
	if err != nil {
		return err
	}
	for i, e := range all {
		if err := os.Rename(filepath.Join(tmp, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			for _, moved := range all[:i] {
				err = errors.Join(err, os.Rename(filepath.Join(dir, moved.Name()), filepath.Join(tmp, moved.Name())))
			}
			return err
		}
	}
	return os.Remove(tmp)
}
