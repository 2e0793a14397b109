// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func paths(t *Tree) []string {
	var out []string
	for _, e := range t.Entries {
		s := e.Path
		if e.Hardlink != "" {
			s += " -> " + e.Hardlink
		}
		out = append(out, s)
	}
	return out
}

// sample has a merged /usr, links that loop, and hard links across directories.
func sample(t *testing.T) *Tree {
	t.Helper()
	b := NewBuilder(1)
	for _, e := range []Entry{
		{Path: "usr/lib/modules/6.1/a.ko", Mode: Regular | 0o644, Size: 1},
		{Path: "lib", Mode: Symlink | 0o777, Link: "usr/lib"},
		{Path: "abs", Mode: Symlink | 0o777, Link: "/lib/modules"},
		{Path: "up", Mode: Symlink | 0o777, Link: "../../../usr"},
		{Path: "loop", Mode: Symlink | 0o777, Link: "loop"},
		{Path: "boot/vmlinuz-6.1", Mode: Regular | 0o644, Mtime: 7},
		{Path: "boot/vmlinuz-6.2", Hardlink: "boot/vmlinuz-6.1"},
		{Path: "srv/copy", Hardlink: "boot/vmlinuz-6.1"},
		{Path: "srv/copy2", Hardlink: "boot/vmlinuz-6.1"},
	} {
		if err := b.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := b.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestLookup(t *testing.T) {
	tr := sample(t)
	for _, tt := range []struct{ name, want string }{
		{"/lib/modules/6.1/a.ko", "usr/lib/modules/6.1/a.ko"},
		{"abs/6.1", "usr/lib/modules/6.1"},
		{"up/lib", "usr/lib"},
		{"boot/vmlinuz-6.2", "boot/vmlinuz-6.1"},
		{"/", ""},
		{"loop", "error"},
		{"nothing", "error"},
		{"boot/vmlinuz-6.1/x", "error"},
	} {
		got := "error"
		if e, err := tr.Lookup(tt.name); err == nil {
			got = e.Path
		}
		if got != tt.want {
			t.Errorf("Lookup(%q) = %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestGlob(t *testing.T) {
	tr := sample(t)
	got, err := tr.Glob("/boot/vmlinuz-*")
	if diff := cmp.Diff(got, []string{"boot/vmlinuz-6.1", "boot/vmlinuz-6.2"}); diff != "" || err != nil {
		t.Errorf("%v, (-got +want):\n%s", err, diff)
	}
	if got, err := tr.Glob("/lib/modules/*/a.ko"); err != nil || len(got) != 1 {
		t.Errorf("through a link: %v, %v", got, err)
	}
	if got, err := tr.Glob("/boot/x*"); err == nil {
		t.Errorf("no match gives %v", got)
	}
}

func TestNames(t *testing.T) {
	tr := sample(t)
	for dir, want := range map[string][]string{
		"": {"abs", "boot", "lib", "loop", "srv", "up", "usr"}, "usr": {"lib"}, "srv": {"copy", "copy2"}, "lib": nil, "none": nil,
	} {
		if diff := cmp.Diff(tr.Names(dir), want); diff != "" {
			t.Errorf("names in %q (-got +want):\n%s", dir, diff)
		}
	}
}

func TestSubAndWithout(t *testing.T) {
	tr := sample(t)
	sub, err := tr.Sub("/srv")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(paths(sub), []string{"", "copy", "copy2 -> copy"}); diff != "" {
		t.Errorf("Sub (-got +want):\n%s", diff)
	}
	if sub.Entries[1].Mtime != 7 {
		t.Errorf("the link did not become the file: %+v", sub.Entries[1])
	}
	rest, err := tr.Without([]string{"/boot", "usr"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "abs", "boot", "lib", "loop", "srv", "srv/copy", "srv/copy2 -> srv/copy", "up", "usr"}
	if diff := cmp.Diff(paths(rest), want); diff != "" {
		t.Errorf("Without (-got +want):\n%s", diff)
	}
	if got := tr.Newest(); got != 7 {
		t.Errorf("Newest = %d, want 7", got)
	}
}

func TestBuilderRefuses(t *testing.T) {
	b := NewBuilder(1)
	if err := b.Add(Entry{Path: "a/b", Mode: Regular}); err != nil {
		t.Fatal(err)
	}
	if err := b.Add(Entry{Path: "a/b/c", Mode: Regular}); err == nil {
		t.Error("an entry below a file was taken")
	}
	if err := b.Add(Entry{Path: "a", Mode: Regular}); err == nil {
		t.Error("a file replaced a directory with content")
	}
	if err := b.Add(Entry{Path: "z", Hardlink: "a/x"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Tree(); err == nil {
		t.Error("a hard link to nothing was taken")
	}
}

func TestWith(t *testing.T) {
	in := &Tree{Entries: []Entry{
		{Mode: Dir}, {Path: "a", Mode: Regular, Size: 1}, {Path: "b", Hardlink: "a"}, {Path: "c", Hardlink: "a"}, {Path: "d", Mode: Dir}, {Path: "d/e", Mode: Regular, Size: 2}, {Path: "f", Hardlink: "d/e"},
	}}
	got := in.With([]Entry{{Path: "d", Mode: Char}, {Path: "a", Mode: Block}, {Path: "aa", Mode: Char}})
	want := []Entry{{Mode: Dir}, {Path: "a", Mode: Block}, {Path: "aa", Mode: Char}, {Path: "b", Mode: Regular, Size: 1}, {Path: "c", Hardlink: "b"}, {Path: "d", Mode: Char}, {Path: "f", Mode: Regular, Size: 2}}
	if diff := cmp.Diff(got.Entries, want); diff != "" {
		t.Errorf("entries (-got +want):\n%s", diff)
	}
}

// Entries go where links of the tree lead, as in a running system.
func TestBuilderFollowsLinks(t *testing.T) {
	start := []Entry{
		{Path: "usr/lib/modules", Mode: Dir | 0o755},
		{Path: "lib", Mode: Symlink | 0o777, Link: "usr/lib"},
		{Path: "var/run", Mode: Symlink | 0o777, Link: "/run"},
		{Path: "var/log", Mode: Symlink | 0o777, Link: "volatile/log"},
		{Path: "out", Mode: Symlink | 0o777, Link: "../../etc"},
		{Path: "a", Mode: Symlink | 0o777, Link: "b"},
		{Path: "b", Mode: Symlink | 0o777, Link: "a"},
		{Path: "file", Mode: Regular | 0o644},
		{Path: "tofile", Mode: Symlink | 0o777, Link: "file"},
	}
	for _, tt := range []struct{ to, want string }{
		{"/lib/modules-load.d/x.conf", "usr/lib/modules-load.d/x.conf"},
		{"/lib/modules/x.ko", "usr/lib/modules/x.ko"},
		{"/var/run/x", "run/x"},
		{"/var/log/app/x", "var/volatile/log/app/x"},
		{"/out/x", "etc/x"},
		{"/lib/../x", "usr/x"},
		{"//lib//x", "usr/lib/x"},
		{"/tofile", "tofile"}, // a file replaces a link
		{"/a/x", "/a: symbolic links form a loop"},
		{"/file/x", "/file leads through /file, which is not a directory"},
		{"/tofile/x", "/tofile leads through /file, which is not a directory"},
	} {
		b := NewBuilder(1)
		for _, e := range start {
			if err := b.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Add(Entry{Path: tt.to, Mode: Regular | 0o600}); err != nil {
			if err.Error() != tt.want {
				t.Errorf("%s: %v, want %s", tt.to, err, tt.want)
			}
			continue
		}
		if err := b.AddTree(tt.to[:strings.LastIndexByte(tt.to, '/')], &Tree{Entries: []Entry{{Mode: Dir | 0o700}, {Path: "one", Mode: Regular}, {Path: "two", Hardlink: "one"}}}); err != nil {
			t.Fatal(err)
		}
		tr, err := b.Tree()
		if err != nil {
			t.Fatalf("%s: %v", tt.to, err)
		}
		if e, ok := tr.find(tt.want); !ok || tr.Entries[e].Mode != Regular|0o600 {
			t.Errorf("%s: there is no %s in %q", tt.to, tt.want, paths(tr))
		}
		dir, _ := split(tt.want)
		if e, ok := tr.find(join(dir, "two")); !ok || tr.Entries[e].Hardlink != join(dir, "one") {
			t.Errorf("%s: the hard link of a copied directory: %q", tt.to, paths(tr))
		}
		if e, err := tr.Lookup("/lib"); err != nil || e.Path != "usr/lib" {
			t.Errorf("%s: the link itself is gone", tt.to)
		}
	}
}
