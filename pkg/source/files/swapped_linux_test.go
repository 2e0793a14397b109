// SPDX-License-Identifier: MPL-2.0

package files

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file that is replaced between the check and the reading is not read.
func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("secret"), []byte("s3cr3t"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("secret", at("link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(at("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		at("link"): "symbolic links", at("fifo"): "is no longer a file", dir: "is no longer a file", "/proc/self/environ": "the kernel tells",
	} {
		f, err := Open(name)
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", name, err, want)
		}
	}
	f, err := Open(at("secret"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// If a directory is replaced by a link during the walk, the link is not followed.
func TestWalkSwapped(t *testing.T) {
	top := t.TempDir()
	secret, src := filepath.Join(top, "private"), filepath.Join(top, "src")
	for name, content := range map[string]string{filepath.Join(secret, "id"): "PRIVATE", filepath.Join(src, "d", "id"): "benign", filepath.Join(src, "a"): "first"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err := Walk(src, func(rel, full string, st fs.FileInfo) error {
		if rel == "d" { // after it was checked
			if err := os.Rename(filepath.Join(src, "d"), filepath.Join(top, "old")); err != nil {
				return err
			}
			return os.Symlink(secret, filepath.Join(src, "d"))
		}
		if st.Mode().IsRegular() {
			data, err := os.ReadFile(full)
			got = append(got, string(data))
			return err
		}
		return nil
	})
	if strings.Contains(strings.Join(got, " "), "PRIVATE") || len(got) == 0 {
		t.Errorf("read %q, %v", got, err)
	}
}
