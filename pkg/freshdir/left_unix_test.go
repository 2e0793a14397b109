// SPDX-License-Identifier: MPL-2.0

//go:build unix

package freshdir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a killed process has left of a directory goes when it is made again; what somebody
// is making does not, nor anything else.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	for _, dir := range []string{".a.new-1/deep/er", ".b.new-1", ".a.new-", ".a.new-x"} {
		if err := os.MkdirAll(filepath.Join(parent, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var during []string
	list := func() (names []string) {
		entries, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	err := Make(filepath.Join(parent, "a"), func(tmp string) error {
		sweep(parent, ".a.new-") // as another process would
		during = list()
		_, err := os.Lstat(tmp)
		return err
	})
	if err != nil {
		t.Errorf("while it is made there are %q: %v", during, err)
	}
	if diff := cmp.Diff([]string{".a.new-", ".a.new-x", ".b.new-1", "a"}, list()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
