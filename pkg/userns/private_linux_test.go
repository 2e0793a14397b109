// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/pkg/remedy"
)

func TestPrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for _, before := range []os.FileMode{0, 0o755, 0o777} { // 0: not there
		if before != 0 {
			if err := os.Chmod(dir, before); err != nil {
				t.Fatal(err)
			}
		}
		if err := Private(dir); err != nil {
			t.Fatal(err)
		}
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != 0o700 {
			t.Errorf("after %o: %v, %v", before, st.Mode(), err)
		}
	}
	foreign := "/"
	if os.Getuid() == 0 {
		foreign = t.TempDir()
		if err := os.Chown(foreign, 12345, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := Private(foreign); !remedy.Is(err) || !strings.Contains(err.Error(), "another account") {
		t.Errorf("a directory of another account: %v", err)
	}
	if os.Getuid() != 0 {
		return // others' directories that an ordinary user can write in have to be made
	}
	ours := filepath.Join(foreign, "ours")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(foreign, link); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{ours, filepath.Join(link, "ours")} {
		if err := Private(dir); !remedy.Is(err) || !strings.Contains(err.Error(), "belongs to another account") {
			t.Errorf("%s, in a directory of another account: %v", dir, err)
		}
	}
}
