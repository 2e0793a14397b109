// SPDX-License-Identifier: MPL-2.0

package git

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/fsck"
)

// TestFsck: a flipped bit in a mirror or a pack is found, and the damaged part is fetched
// again.
func TestFsck(t *testing.T) {
	o := newOrigin(t)
	c := newCache(t)
	get(t, c, o.bare, "main", CheckoutOptions{})
	check := func(look bool) *fsck.Check {
		t.Helper()
		k := &fsck.Check{Look: look}
		must(t, c.Fsck(t.Context(), k))
		return k
	}
	if k := check(false); len(k.Found) > 0 || len(k.Counts) != 2 {
		t.Fatalf("of what is sound: %+v", k)
	}
	for _, pattern := range []string{"*.git/objects/pack/*.pack", "packs/*/pack/*.pack", "packs/*/pack/*.idx"} {
		files, err := filepath.Glob(filepath.Join(c.Dir, pattern))
		must(t, err)
		if len(files) == 0 {
			t.Fatalf("no %s", pattern)
		}
		data, err := os.ReadFile(files[0])
		must(t, err)
		data[len(data)/2] ^= 1
		must(t, os.Chmod(files[0], 0o600))
		must(t, os.WriteFile(files[0], data, 0o600))
		for _, look := range []bool{true, false} {
			if k := check(look); len(k.Found) != 1 {
				t.Errorf("%s: %+v", pattern, k)
			}
		}
		if _, err := os.Lstat(files[0]); err == nil {
			t.Errorf("%s is still there", files[0])
		}
		get(t, c, o.bare, "main", CheckoutOptions{})
		if k := check(false); len(k.Found) > 0 {
			t.Errorf("%s: fetched again: %+v", pattern, k)
		}
	}
	m, err := c.mirror(o.bare)
	must(t, err)
	lock, err := m.hold(t.Context(), ".lock", true)
	must(t, err)
	defer lock.Close()
	if k := check(false); len(k.InUse) != 1 {
		t.Errorf("while another one changes it: %+v", k)
	}
}
