// SPDX-License-Identifier: MPL-2.0

package enginetest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/carosio/carosbuild/pkg/engine"
)

// reverts: the layer shows what Revert did; the root may show it later.
func reverts(_ *testing.T, s layers) {
	a := s.layer("", "changed=1", "removed=2", "kept=3", "d/x=4", "link -> kept")
	w := s.prepare(a)
	change(s.T, w.Root(), "changed=one", "-removed", "new=5", "d/new=6", "d/stays=7", "kept=three", "-link", "link=8")
	for _, name := range []string{"/changed", "removed", "/new", "/d/new", "/link", "/none", "/none/below"} {
		if err := w.Revert(name); err != nil {
			s.Errorf("%s: %v", name, err)
		}
	}
	id, changed := s.commit(w)
	if !changed {
		s.Error("what was not reverted is not a change")
	}
	s.shows(id, "changed=1", "d/", "d/stays=7", "d/x=4", "kept=three", "link -> kept", "removed=2")
}

func revertsDirectories(_ *testing.T, s layers) {
	a := s.layer("", "old/x=1", "mode/x=1")
	w := s.prepare(a)
	change(s.T, w.Root(), "empty/", "full/f=1", "a/b/", "old/new=1")
	for _, name := range []string{"old", "mode"} {
		if err := os.Chmod(filepath.Join(w.Root(), name), 0o700); err != nil {
			s.Fatal(err)
		}
	}
	for _, name := range []string{"/empty", "/full", "/a/b", "/a", "/old", "/mode", "/none/"} {
		if err := w.Revert(name); err != nil {
			s.Errorf("%s: %v", name, err)
		}
	}
	id, _ := s.commit(w)
	s.shows(id, "full/", "full/f=1", "mode/", "mode/x=1", "old/", "old/new=1", "old/x=1")
	w = s.prepare(id)
	for name, want := range map[string]os.FileMode{"old": 0o700, "mode": 0o755} {
		if st, err := os.Stat(filepath.Join(w.Root(), name)); err != nil || st.Mode().Perm() != want {
			s.Errorf("%s has mode %v, %v, want %v", name, st.Mode(), err, want)
		}
	}
}

func revertsInside(t *testing.T, s layers) {
	outside := filepath.Join(t.TempDir(), "precious")
	change(t, filepath.Dir(outside), "precious=1")
	w := s.prepare("")
	change(t, w.Root(), "f=1", "abs -> "+filepath.Dir(outside), "up -> ..", "to -> f")
	up := "/../../../../../../../../../../.."
	for _, name := range []string{up + outside, "/../f"} { // there is nothing above the root
		if err := w.Revert(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"/abs/precious", "/up/f"} {
		if err := w.Revert(name); err == nil {
			t.Errorf("%s: a link was followed", name)
		}
	}
	if err := w.Revert("/to"); err != nil {
		t.Error(err)
	}
	id, _ := s.commit(w)
	s.shows(id, "abs -> "+filepath.Dir(outside), "up -> ..")
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// snapshotEnds: after Commit or Discard the root is gone, and the snapshot cannot be
// used any more.
func snapshotEnds(t *testing.T, s layers) {
	for name, end := range map[string]func(w engine.Snapshot) error{
		"commit": func(w engine.Snapshot) error {
			_, _, err := w.Commit(t.Context(), nil)
			return err
		},
		"discard": engine.Snapshot.Discard,
	} {
		w := s.prepare("")
		change(t, w.Root(), "f="+name)
		if err := end(w); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(w.Root(), "f")); err == nil {
			t.Errorf("after %s the root is there", name)
		}
		if id, changed, err := w.Commit(t.Context(), nil); err == nil {
			t.Errorf("after %s it becomes layer %q, changed %v", name, id, changed)
		}
		for range 2 {
			if err := w.Discard(); err != nil {
				t.Errorf("discard after %s: %v", name, err)
			}
		}
	}
	s.shows(s.layer("", "g=1"), "g=1") // the others are not harmed
}

func snapshotEnded(t *testing.T, s layers) {
	a := s.layer("", "a=1")
	ctx, cancel := context.WithCancel(t.Context())
	w := s.prepare(a)
	change(t, w.Root(), "b=2")
	cancel()
	if id, _, err := w.Commit(ctx, nil); err == nil {
		t.Errorf("it became layer %q though the context has ended", id)
	}
	if err := w.Discard(); err != nil {
		t.Errorf("discard after a commit that failed: %v", err)
	}
	if w, err := s.Prepare(ctx, a); err == nil {
		t.Errorf("a snapshot though the context has ended: %v", w.Discard())
	}
	s.shows(a, "a=1")
}
