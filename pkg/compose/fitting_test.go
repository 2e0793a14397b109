// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/progress"
)

// Each file system keeps the extended attributes that it can store. Those that are
// left out are reported once, with the number of files that had them.
func TestAttributesByFileSystem(t *testing.T) {
	attrs := func(names ...string) []tree.Xattr {
		var out []tree.Xattr
		for _, n := range names {
			out = append(out, tree.Xattr{Name: n, Value: []byte("v")})
		}
		return out
	}
	all := []string{"security.capability", "security.ima", "security.selinux", "system.nfs4_acl", "system.posix_acl_access", "trusted.x", "user.note"}
	in := &tree.Tree{Entries: []tree.Entry{
		{Mode: tree.Dir | 0o755, Xattrs: attrs("security.selinux")},
		{Path: "a", Mode: tree.Regular | 0o644, Xattrs: attrs(all...)},
		{Path: "b", Mode: tree.Regular | 0o644, Xattrs: attrs("system.nfs4_acl")},
	}}
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(names, n) })
	}
	for _, c := range []struct {
		fs    string
		keeps []string
		notes []string
	}{
		{"ext4", without("system.nfs4_acl"), []string{`disk d: partition root: ext4 cannot hold "system.nfs4_acl"; left out of 2 files, such as "/a"`}},
		{"squashfs", without("system.nfs4_acl", "system.posix_acl_access"), []string{
			`disk d: partition root: squashfs cannot hold "system.nfs4_acl"; left out of 2 files, such as "/a"`,
			`disk d: partition root: squashfs cannot hold access control lists (system.posix_acl_access); left out of 1 file, such as "/a"`,
		}},
		{"erofs", without("system.nfs4_acl"), []string{`disk d: partition root: erofs cannot hold "system.nfs4_acl"; left out of 2 files, such as "/a"`}},
		{"fat32", nil, nil},
	} {
		var notes []string
		e := &Composer{Now: time.Now, Events: func(ev progress.Event) { notes = append(notes, ev.Text) }}
		comp := &composer{Composer: e, disk: &decl.Disk{ID: "d"}, noted: map[string]bool{}}
		p := &decl.Partition{Name: "root", FS: c.fs}
		got := comp.fitting(p, in)
		comp.fitting(p, in) // a tree may be made twice
		var names []string
		for _, x := range got.Entries[1].Xattrs {
			names = append(names, x.Name)
		}
		if d := cmp.Diff(c.keeps, names); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.fs, d)
		}
		if c.fs == "fat32" {
			if len(notes) != len(all) || !strings.Contains(strings.Join(notes, "\n"), `"security.selinux"; left out of 2 files, such as "/"`) {
				t.Errorf("notes of FAT: %q", notes)
			}
			continue
		}
		if d := cmp.Diff(c.notes, notes); d != "" {
			t.Errorf("%s: notes (-want +got):\n%s", c.fs, d)
		}
	}
}
