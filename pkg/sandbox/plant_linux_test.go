// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPlantPoisonedRoot(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "var")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(outside, "victim"), filepath.Join(root, "etc/resolv.conf")); err != nil {
		t.Fatal(err)
	}
	// /var leads to a path that does not exist inside the root.
	_, err := Plant(root, []Mount{{Source: outside, Target: "/var/cache/x"}}, []byte("x"))
	if err == nil {
		t.Error("mount point behind a dangling link was made")
	}
	if _, err := Plant(root, nil, []byte("x")); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) != 0 {
		t.Errorf("something was made outside the root: %v, %v", entries, err)
	}
}
