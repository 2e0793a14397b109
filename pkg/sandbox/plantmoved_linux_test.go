// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Planted files are removed wherever a step has moved them; other files in their places
// are not.
func TestRemoveMoved(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "link") // as if a store is reached through a link
	if err := os.Mkdir(filepath.Join(base, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real", root); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(root, name) }
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(at("etc"), 0o755))
	check(os.MkdirAll(at("run/x"), 0o755))
	check(os.MkdirAll(at("var"), 0o755))
	check(os.Symlink("../run", at("var/run")))
	planted, err := Plant(root, []Mount{{Source: base, Target: "/mnt/c"}, {Source: base, Target: "/var/run/d"}}, []byte("nameserver 1\n"))
	check(err)
	check(os.Rename(at("mnt"), at("mnt2")))
	check(os.MkdirAll(at("srv/c"), 0o755)) // looks like what was planted
	check(os.Symlink("srv", at("mnt")))
	check(os.Rename(at("etc"), at("etc2")))
	check(os.Chmod(at("etc2/hosts"), 0o600))
	var got []string
	check(planted.Remove(root, func(path string) error {
		got = append(got, path)
		return os.Remove(at(path))
	}))
	want := []string{"/etc2/resolv.conf", "/run/d", "/mnt2/c", "/mnt2", "/sys", "/dev", "/proc"}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("reverted (-got +want):\n%s", diff)
	}
}
