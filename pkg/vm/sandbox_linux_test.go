// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/sandbox"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/wire"
)

// Changes below a mount become changes of its directory.
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

// A file and a directory of the host are on the disk of mounts. What belongs to this account
// belongs to the command's user in writable mounts, and to root elsewhere.
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
