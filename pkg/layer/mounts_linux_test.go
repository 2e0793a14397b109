// SPDX-License-Identifier: MPL-2.0

package layer

import (
	"testing"

	"github.com/carosio/carosbuild/pkg/userns"

	"golang.org/x/sys/unix"
)

// Set-user-ID programs of a confined store work in steps, and nowhere else.
func TestSetUserIDWorksInStepsOnly(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	dir := t.TempDir()
	if err := userns.Confine(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := openStoreAt(t, dir)
	nosuid := func(what, path string, want bool) {
		t.Helper()
		var st unix.Statfs_t
		if err := unix.Statfs(path, &st); err != nil {
			t.Fatal(err)
		}
		if got := st.Flags&unix.ST_NOSUID != 0; got != want {
			t.Errorf("%s: nosuid is %v, want %v", what, got, want)
		}
	}
	top := ""
	for _, name := range []string{"first", "second"} {
		w, err := s.Prepare(t.Context(), top)
		if err != nil {
			t.Fatal(err)
		}
		nosuid("a step on "+short(top), w.Root(), false)
		nosuid("its changes", w.changes(), true)
		write(t, w, name, name)
		l, _, err := s.Commit(t.Context(), w, CommitOptions{})
		if err != nil {
			t.Fatal(err)
		}
		top = l.ID
		view, release, err := s.View(t.Context(), top)
		if err != nil {
			t.Fatal(err)
		}
		nosuid("a view of "+name, view, true)
		if err := release(); err != nil {
			t.Fatal(err)
		}
	}
}
