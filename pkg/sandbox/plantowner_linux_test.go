// SPDX-License-Identifier: MPL-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A planted file that a step has given to another owner stays, even if the kernel does not
// know that owner.
func TestPlantedOfRecordedOwners(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := Plant(root, nil, []byte("nameserver 127.0.0.1\n"))
	if err != nil {
		t.Fatal(err)
	}
	var given unix.Stat_t
	if err := unix.Stat(filepath.Join(root, "etc/hosts"), &given); err != nil {
		t.Fatal(err)
	}
	p.statBy = func(fd int, _ string) (st unix.Stat_t, err error) {
		if err = unix.Fstat(fd, &st); st.Ino == given.Ino {
			st.Uid += 33
		}
		return st, err
	}
	var reverted []string
	if err := p.Remove(root, func(path string) error { reverted = append(reverted, path); return nil }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(reverted)
	if want := []string{"/dev", "/etc/resolv.conf", "/proc", "/sys"}; !slices.Equal(reverted, want) {
		t.Errorf("taken out: %q, want %q", reverted, want)
	}
}
