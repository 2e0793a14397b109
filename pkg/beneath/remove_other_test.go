// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package beneath

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// No link is followed, and what has no permissions goes too.
func TestRemoveAll(t *testing.T) {
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	err := errors.Join(os.MkdirAll(filepath.Join(tree, "shut", "in"), 0o755), os.Mkdir(filepath.Join(dir, "outside"), 0o755),
		os.WriteFile(filepath.Join(dir, "outside", "kept"), nil, 0o600), os.WriteFile(filepath.Join(tree, "shut", "in", "x"), nil, 0o600),
		os.Chmod(filepath.Join(tree, "shut", "in"), 0), os.Chmod(filepath.Join(tree, "shut"), 0))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what is not there is no error
		if err := RemoveAll(tree); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Lstat(tree); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there: %v", tree, err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "outside", "kept")); err != nil {
		t.Error(err)
	}
}
