// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUsableDir(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		dir: true, filepath.Join(dir, "a/b/c"): true, file: false, filepath.Join(file, "x"): false,
		filepath.Join(closed, "x"): os.Getuid() == 0, "/": os.Getuid() == 0,
	} {
		if err := usableDir(path); (err == nil) != want {
			t.Errorf("%s: %v, want it usable: %t", path, err, want)
		}
	}
}
