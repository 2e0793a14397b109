// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What a stage has in the place of planted files stays, whatever it is, and so do a step's
// changes to their parents and to directories that were made for it.
func TestPlantKeeps(t *testing.T) {
	root, source := t.TempDir(), t.TempDir()
	at := func(name string) string { return filepath.Join(root, name) }
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	old := time.Unix(1e9, 0)
	check(os.MkdirAll(at("etc/resolv.conf"), 0o711)) // an empty directory
	check(unix.Mkfifo(at("etc/hosts"), 0o600))
	check(os.Mkdir(at("var"), 0o755))
	check(os.Chmod(at("etc"), os.ModeSetgid|0o750))
	check(os.Chtimes(at("etc"), old, old))
	check(os.Chtimes(at("var"), old, old))
	mounts := []Mount{{Source: source, Target: "/var/cache/apt"}, {Source: source, Target: "/var/mine/x"}, {Source: source, Target: "/var/full/x"}, {Source: source, Target: "/etc/apt.d"}}
	planted, err := Plant(root, mounts, []byte("nameserver 192.0.2.1\n"))
	check(err)
	for _, dir := range []string{"etc", "var"} {
		if st, err := os.Stat(at(dir)); err != nil || !st.ModTime().Equal(old) {
			t.Errorf("/%s got another time: %v", dir, err)
		}
	}
	// The step.
	check(os.Chmod(at("var"), 0o700))
	check(os.Chmod(at("var/mine"), 0o700))
	check(os.WriteFile(at("var/full/kept"), nil, 0o600))
	var reverted []string
	check(planted.Remove(root, func(path string) error {
		err := os.Remove(at(path))
		if errors.Is(err, unix.ENOTEMPTY) { // as an engine does
			return nil
		}
		reverted = append(reverted, path)
		return err
	}))
	want := []string{"/etc/apt.d", "/var/full/x", "/var/mine/x", "/var/cache/apt", "/var/cache", "/sys", "/dev", "/proc"}
	if diff := cmp.Diff(want, reverted); diff != "" {
		t.Errorf("reverted (-want +got):\n%s", diff)
	}
	for name, mode := range map[string]os.FileMode{
		"etc": os.ModeDir | os.ModeSetgid | 0o750, "etc/resolv.conf": os.ModeDir | 0o711, "etc/hosts": os.ModeNamedPipe | 0o600, "var": os.ModeDir | 0o700, "var/mine": os.ModeDir | 0o700, "var/full/kept": 0o600,
	} {
		if st, err := os.Lstat(at(name)); err != nil || st.Mode() != mode {
			t.Errorf("/%s is %v, %v, want %v", name, st, err, mode)
		}
	}
}
