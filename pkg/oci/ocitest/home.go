// SPDX-License-Identifier: MPL-2.0

package ocitest

import (
	"os"
	"path/filepath"
	"testing"
)

// Home makes files in a directory and returns an environment whose HOME is that
// directory.
func Home(t *testing.T, files map[string]string) (string, func(string) string) {
	t.Helper()
	dir := t.TempDir()
	for n, content := range files {
		p := filepath.Join(dir, n)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "run"), 0o700); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": filepath.Join(dir, "run")}
	return dir, func(k string) string { return env[k] }
}
