// SPDX-License-Identifier: MPL-2.0

package delta

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
)

func read(t *testing.T, dir string) *tree.Tree {
	t.Helper()
	src, err := tree.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	out, err := src.Read(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out.Entries {
		out.Entries[i].UID, out.Entries[i].GID = 0, 0
	}
	return out
}

// Changes applied to a directory made from one tree make it the other tree.
func TestApply(t *testing.T) {
	one := makeTree(t, "a 1", "d/", "d/f 2", "d/g 3", "e/", "e/x 4", "h one", "i = h", "l -> a")
	two := sorted(makeTree(t, "a 1 | 1600 user.x=y", "d/ | 555", "d/f/", "d/f/new 2 | 400", "h one", "j = h", "i = h", "l -> elsewhere | @7", "e file | @9", "d/g 3"))
	dir := t.TempDir()
	for _, step := range []*tree.Tree{one, two, one} {
		changes, err := Find(t.Context(), read(t, dir), step, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := Apply(t.Context(), dir, changes, ApplyOptions{}); err != nil {
			t.Fatal(err)
		}
		left, err := Find(t.Context(), step, read(t, dir), Options{})
		if len(left) > 0 && left[0].Path == "" {
			left = left[1:] // the test's directory has its own mode
		}
		if err != nil || len(left) > 0 {
			t.Errorf("differs: %v, %v", said(left), err)
		}
	}
}

// A link on the host never leads out of the directory, and nothing is setuid.
func TestApplyInside(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "d")); err != nil {
		t.Fatal(err)
	}
	changes, err := Find(t.Context(), makeTree(t, "d/"), makeTree(t, "d/", "d/f 1"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(t.Context(), dir, changes, ApplyOptions{}); err != nil {
		t.Log(err)
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside there is %v, %v", entries, err)
	}
	changes, err = Find(t.Context(), makeTree(t), makeTree(t, "s 1 | 6755"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Apply(t.Context(), dir, changes, ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(filepath.Join(dir, "s")); err != nil || st.Mode() != 0o755 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
}

// Contents in the directory itself are read before it is changed.
func TestApplyStaged(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"same": "1", "old": "2"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	here := func(path, from string) Change {
		return Change{Path: path, Entry: &tree.Entry{Path: path, Mode: tree.Regular | 0o600, Size: 1, Content: byName(filepath.Join(dir, from))}}
	}
	changes := []Change{here("new", "old"), {Path: "old", Removed: true}, here("same", "same")}
	if err := Apply(t.Context(), dir, changes, ApplyOptions{Staging: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"same": "1", "new": "2"} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// byName opens a file when it is read.
type byName string

func (n byName) ReadAt(p []byte, off int64) (int, error) {
	f, err := os.Open(string(n))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.ReadAt(p, off)
}

// Attributes that a directory or a file no longer has are removed, including those of the
// root.
func TestApplyRemovesAttributes(t *testing.T) {
	dir := t.TempDir()
	all := &owner.Table{}
	before := makeTree(t, "/ | user.root=1 user.kept=2", "d/ | system.posix_acl_default=a user.x=1 user.y=2", "f 1 | user.x=1")
	after := makeTree(t, "/ | user.kept=2", "d/ | user.y=3", "f 1")
	for _, step := range []struct{ from, to *tree.Tree }{{makeTree(t), before}, {before, after}} {
		changes, err := Find(t.Context(), step.from, step.to, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := Apply(t.Context(), dir, changes, ApplyOptions{Metadata: all}); err != nil {
			t.Fatal(err)
		}
	}
	got := map[string]string{}
	for _, name := range []string{"", "d", "f"} {
		_, xattrs, err := all.Look(unix.AT_FDCWD, filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range xattrs {
			got[name+" "+k] = string(v)
		}
	}
	if diff := cmp.Diff(got, map[string]string{" user.kept": "2", "d user.y": "3"}); diff != "" {
		t.Errorf("attributes (-got +want):\n%s", diff)
	}
}
