// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWithoutXattrs(t *testing.T) {
	// setfacl -m u:7:rwx,g::r on a file of mode 0640: the mode shows the mask.
	acl := "\x02\x00\x00\x00" + "\x01\x00\x06\x00\xff\xff\xff\xff" + "\x02\x00\x07\x00\x07\x00\x00\x00" + "\x04\x00\x04\x00\xff\xff\xff\xff" +
		"\x10\x00\x07\x00\xff\xff\xff\xff" + "\x20\x00\x00\x00\xff\xff\xff\xff"
	user := Xattr{Name: "user.x", Value: []byte("y")}
	access := Xattr{Name: "system.posix_acl_access", Value: []byte(acl)}
	masked := Xattr{Name: "system.posix_acl_access", Value: []byte(acl[:len(acl)-14] + "\x01\x00" + acl[len(acl)-12:])}
	in := &Tree{Entries: []Entry{
		{Mode: Dir | 0o755},
		{Path: "a", Mode: Regular | 0o670, Xattrs: []Xattr{access, user}},
		{Path: "b", Mode: Dir | 0o775, Xattrs: []Xattr{{Name: "system.posix_acl_default", Value: []byte(acl)}}},
		{Path: "c", Mode: Regular | 0o640, Xattrs: []Xattr{user}},
		{Path: "d", Mode: Regular | 0o4610, Xattrs: []Xattr{masked}},
	}}
	noACLs := func(name string) bool { return name == user.Name }
	got, had := in.WithoutXattrs(noACLs)
	want := &Tree{Entries: []Entry{
		{Mode: Dir | 0o755},
		{Path: "a", Mode: Regular | 0o640, Xattrs: []Xattr{user}},
		{Path: "b", Mode: Dir | 0o775, Xattrs: []Xattr{}},
		{Path: "c", Mode: Regular | 0o640, Xattrs: []Xattr{user}},
		{Path: "d", Mode: Regular | 0o4600, Xattrs: []Xattr{}},
	}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("tree (-got +want):\n%s", diff)
	}
	if diff := cmp.Diff(had, map[string][]string{access.Name: {"a", "d"}, "system.posix_acl_default": {"b"}}); diff != "" {
		t.Errorf("paths (-got +want):\n%s", diff)
	}
	if len(in.Entries[1].Xattrs) != 2 || in.Entries[1].Mode != Regular|0o670 {
		t.Error("the tree itself was changed")
	}
	if same, had := want.WithoutXattrs(noACLs); same != want || len(had) != 0 {
		t.Error("a tree without lists is another one")
	}
}

func TestWithXattrs(t *testing.T) {
	label := Xattr{Name: "security.selinux", Value: []byte("l")}
	user := Xattr{Name: "user.x", Value: []byte("y")}
	in := &Tree{Entries: []Entry{
		{Mode: Dir | 0o755},
		{Path: "a", Mode: Regular | 0o644, Xattrs: []Xattr{user}},
		{Path: "b", Hardlink: "a"},
		{Path: "l", Mode: Symlink | 0o777, Link: "a"},
	}}
	got := in.WithXattrs(map[string][]Xattr{"": {label}, "a": {label}, "b": {label}, "l": {label}, "none": {label}})
	want := &Tree{Entries: []Entry{
		{Mode: Dir | 0o755, Xattrs: []Xattr{label}},
		{Path: "a", Mode: Regular | 0o644, Xattrs: []Xattr{label, user}},
		{Path: "b", Hardlink: "a"},
		{Path: "l", Mode: Symlink | 0o777, Link: "a", Xattrs: []Xattr{label}},
	}}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("tree (-got +want):\n%s", diff)
	}
	if len(in.Entries[1].Xattrs) != 1 {
		t.Error("the tree itself was changed")
	}
}
