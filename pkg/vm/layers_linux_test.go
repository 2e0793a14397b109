// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// put makes a layer out of what is different between trees.
func put(t *testing.T, l TarLayers, below string, before, after *tree.Tree) string {
	t.Helper()
	changes, err := delta.Find(t.Context(), before, after, delta.Options{})
	if err != nil {
		t.Fatal(err)
	}
	id, err := l.Put(t.Context(), below, func(w io.Writer) error { return delta.WriteTar(t.Context(), w, changes, delta.TarOptions{}) })
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestTarLayers(t *testing.T) {
	l := TarLayers{t.TempDir()}
	one, two := treeWith(map[string]string{"a": "1", "d/b": "2"}), treeWith(map[string]string{"a": "3", "d/c": "4"})
	first := put(t, l, "", treeWith(nil), one)
	second := put(t, l, first, one, two)
	if put(t, l, "", treeWith(nil), one) != first || first == second {
		t.Error("the name of a layer is not that of its content")
	}
	for id, want := range map[string]*tree.Tree{"": treeWith(nil), first: one, second: two} {
		got, done, err := l.Tree(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		changes, err := delta.Find(t.Context(), want, got, delta.Options{})
		if err != nil || len(changes) > 0 {
			t.Errorf("layer %.8s differs in %v, %v", id, paths(changes), err)
		}
		if err := done(); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := l.Tree(t.Context(), "none"); err == nil {
		t.Error("a layer that is not there was read")
	}
}

// A snapshot whose machine did not come to its end becomes no layer; one that has ended is
// of no use, and nothing of it is left.
func TestSnapshotEnds(t *testing.T) {
	dir := t.TempDir()
	s := &Snapshots{Sandbox: &Sandbox{Scratch: dir}, Layers: TarLayers{dir}}
	w, err := s.Prepare(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ran(wire.Result{Revert: []string{"x"}}); err != nil || !w.revert["x"] || s.Sandbox.snapshot(w.Root()) != w {
		t.Errorf("%v, %v", err, w.revert)
	}
	if id, changed, err := w.Commit(t.Context(), nil); id != "" || changed || err != nil {
		t.Errorf("nothing became layer %q, %v, %v", id, changed, err)
	}
	if _, _, err := w.Commit(t.Context(), nil); err == nil {
		t.Error("it was committed twice")
	}
	if err := w.Revert("x"); err == nil {
		t.Error("it was reverted when it had ended")
	}
	if w, err = s.Prepare(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	w.broken = io.ErrUnexpectedEOF
	if _, _, err := w.Commit(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "in the middle") {
		t.Errorf("a broken one was committed: %v", err)
	}
	if err := w.Discard(); err != nil || w.Discard() != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Changes below a mount become those of its directory.
func TestBelow(t *testing.T) {
	changes := []delta.Change{
		{Path: "000000", Entry: &tree.Entry{Path: "000000"}},
		{Path: "000000/a", Entry: &tree.Entry{Path: "000000/a"}},
		{Path: "000000/b", Entry: &tree.Entry{Path: "000000/b", Hardlink: "000000/a"}},
		{Path: "000000/c", Removed: true},
		{Path: "000001/d", Removed: true},
	}
	var got []string
	for _, c := range below("000000", changes) {
		line := c.Path
		if c.Entry != nil {
			line += " " + c.Entry.Path + " " + c.Entry.Hardlink
		}
		got = append(got, line)
	}
	if diff := cmp.Diff(got, []string{"  ", "a a ", "b b a", "c"}); diff != "" {
		t.Error(diff)
	}
}

// A file of the host and a directory are on the disk of mounts. What belongs to this account
// belongs to the command's user where he may write, and to root elsewhere.
func TestMounts(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/f", []byte("1"), 0o640); err != nil {
		t.Fatal(err)
	}
	m, err := openMounts(t.Context(), sandbox.Command{UID: 33, GID: 44, Mounts: []sandbox.Mount{{Source: dir, Target: "/d"}, {Source: dir + "/f", Target: "/f", ReadOnly: true}}}, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.close(); err != nil {
			t.Error(err)
		}
	}()
	want := []wire.Mount{{Source: "000000", Target: "/d"}, {Source: "000001/file", Target: "/f", ReadOnly: true}}
	if diff := cmp.Diff(m.wire, want); diff != "" {
		t.Error(diff)
	}
	got, err := m.disk.After()
	if err != nil {
		t.Fatal(err)
	}
	for name, own := range map[string][2]uint32{"000000/f": {33, 44}, "000001/file": {0, 0}} {
		e, err := got.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := contentOf(e); string(b) != "1" || err != nil || e.Mode != tree.Regular|0o640 || e.UID != own[0] || e.GID != own[1] {
			t.Errorf("%s: %q, %v, %o %d:%d", name, b, err, e.Mode, e.UID, e.GID)
		}
	}
	if _, err := openMounts(t.Context(), sandbox.Command{Mounts: []sandbox.Mount{{Source: "/dev/null", Target: "/d"}}}, t.TempDir()); err == nil {
		t.Error("a device was mounted")
	}
}
