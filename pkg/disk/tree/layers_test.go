// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The letters are those of the abuse cases that every reader of layers has to
// handle.
func TestMerge(t *testing.T) {
	mode := func(m int64) func(*tar.Header) { return func(h *tar.Header) { h.Mode = m } }
	xattrs := func(kv ...string) func(*tar.Header) {
		return func(h *tar.Header) {
			h.PAXRecords = map[string]string{}
			for i := 0; i < len(kv); i += 2 {
				h.PAXRecords[paxXattr+kv[i]] = kv[i+1]
			}
		}
	}
	cap2 := "\x01\x00\x00\x02" + strings.Repeat("c", 16)
	cap3 := "\x01\x00\x00\x03" + strings.Repeat("c", 16) + "\x00\x00\x00\x00"
	type stack [][]packed
	tests := []struct {
		name string
		in   stack
		want []string
		err  string
	}{
		{"1a parent", stack{{reg("../x", "y")}}, nil, `".."`},
		{"1b parent inside", stack{{reg("a/../../x", "y")}}, nil, `".."`},
		{"1c absolute", stack{{reg("/abs", "y")}}, []string{"abs 100644 y"}, ""},
		{"1d the root", stack{{with(dir("./"), mode(0o700))}}, []string{" 40700"}, ""},
		{"1d the root of a lower layer", stack{{with(dir("./"), mode(0o700))}, {reg("a", "")}}, []string{" 40700", "a 100644"}, ""},
		{
			"1e slashes",
			stack{{reg("a//b", "y"), with(reg("f", "z"), func(h *tar.Header) { h.Name = "./f" })}},
			[]string{"a 40755", "a/b 100644 y", "f 100644 z"},
			"",
		},
		{"2a through a link that leads nowhere", stack{{sym("a", "/etc"), reg("a/passwd", "x")}}, nil, "leads nowhere"},
		{
			"2a through a link inside",
			stack{{dir("etc"), sym("a", "/etc"), reg("a/passwd", "x")}},
			[]string{"a -> /etc", "etc 40755", "etc/passwd 100644 x"},
			"",
		},
		{
			"2a through a link of a lower layer",
			stack{{dir("etc"), reg("etc/passwd", "old"), sym("a", "/etc")}, {reg("a/passwd", "x")}},
			[]string{"a 40755", "a/passwd 100644 x", "etc 40755", "etc/passwd 100644 old"},
			"",
		},
		{
			"2b chain to the root",
			stack{{sym("a", "b"), sym("b", "c"), sym("c", "/"), reg("a/f", "x")}},
			[]string{"a -> b", "b -> c", "c -> /", "f 100644 x"},
			"",
		},
		{
			"2b absolute, from further down",
			stack{{dir("etc"), dir("d"), sym("d/l", "/etc"), reg("d/l/f", "x")}},
			[]string{"d 40755", "d/l -> /etc", "etc 40755", "etc/f 100644 x"},
			"",
		},
		{"2b out of the root", stack{{sym("a", "../../../.."), reg("a/f", "x")}}, []string{"a -> ../../../..", "f 100644 x"}, ""},
		{"2c root as a link", stack{{sym(".", "/etc")}}, nil, "must be a directory"},
		{"2c root as a link again", stack{{sym("/.", "/etc")}}, nil, "must be a directory"},
		{"2d loop", stack{{sym("a", "b"), sym("b", "a"), reg("a/f", "x")}}, nil, "symbolic link"},
		{"2e link kept", stack{{dir("d"), sym("d/l", "../../etc")}}, []string{"d 40755", "d/l -> ../../etc"}, ""},
		{"3a hard link out", stack{{hard("s", "../../etc/shadow")}}, nil, `".."`},
		{"3b absolute hard link", stack{{hard("s", "/etc/passwd")}}, nil, "no such file"},
		{
			"3b inside",
			stack{{reg("etc/shadow", "x"), hard("s", "/etc/shadow"), hard("a", "s")}},
			[]string{"a 100644 x", "etc 40755", "etc/shadow = a", "s = a"},
			"",
		},
		{"3c hard link to a link", stack{{sym("a", "/etc/passwd"), hard("s", "a")}}, []string{"a -> /etc/passwd", "s = a"}, ""},
		{"3c hard link through a link", stack{{sym("a", "/etc"), hard("s", "a/passwd")}}, nil, "no such file"},
		{"3d later target", stack{{hard("s", "f"), reg("f", "x")}}, nil, "no such file"},
		{"3d itself", stack{{reg("f", "x"), hard("f", "f")}}, nil, "cannot be linked"},
		{"3d again", stack{{reg("f", "x"), hard("g", "f"), hard("g", "f")}}, []string{"f 100644 x", "g = f"}, ""},
		{"3e directory", stack{{dir("d"), hard("s", "d")}}, nil, "cannot be linked"},
		{"3 whiteout", stack{{reg("d", "x")}, {reg(".wh.d", ""), hard("s", "d")}}, nil, "no such file"},
		{"3 to a lower layer", stack{{reg("d/f", "x")}, {hard("s", "d/f")}}, []string{"d 40755", "d/f 100644 x", "s = d/f"}, ""},
		{
			"3 to a lower layer, then replaced",
			stack{{reg("f", "x")}, {hard("s", "f"), hard("t", "s")}, {reg("f", "y")}},
			[]string{"f 100644 y", "s 100644 x", "t = s"},
			"",
		},
		{"3 to a lower layer, hidden", stack{{reg("d/f", "x")}, {reg("d/.wh..wh..opq", ""), hard("s", "d/f")}}, nil, "no such file"},
		{"3 to a lower layer, root hidden", stack{{reg("f", "x")}, {reg(".wh..wh..opq", ""), hard("s", "f")}}, nil, "no such file"},
		{"3 to a lower layer, below a file", stack{{reg("d/f", "x")}, {reg("d", "x"), hard("s", "d/f")}}, nil, "no such file"},
		{"3 to a lower layer, itself", stack{{reg("f", "x")}, {hard("f", "f")}}, nil, "cannot be linked"},
		{
			"3 one of two names changed above",
			stack{{reg("a", "x"), hard("b", "a"), hard("c", "a")}, {reg("a", "y")}},
			[]string{"a 100644 y", "b 100644 x", "c = b"},
			"",
		},
		{"4a", stack{{reg(".wh...", "")}}, nil, "without a name"},
		{"4b", stack{{reg(".wh.", "")}}, nil, "without a name"},
		{"4c", stack{{reg(".wh.a/b", "x")}}, nil, "name of a whiteout"},
		{"4d", stack{{reg("a/.wh..", "")}}, nil, "without a name"},
		{
			"4 whiteouts",
			stack{{reg("a/b", "x"), reg("c", "y"), reg("a.b", "z")}, {reg(".wh.a", ""), reg(".wh.c", "")}},
			[]string{"a.b 100644 z"},
			"",
		},
		{
			"4e opaque over a file",
			stack{{reg("a", "x")}, {reg("a/.wh..wh..opq", ""), reg("a/y", "z")}},
			[]string{"a 40755", "a/y 100644 z"},
			"",
		},
		{
			"4 opaque",
			stack{{reg("a/b/c", "x"), reg("a/d", "x")}, {reg("a/new", "y"), reg("a/.wh..wh..opq", "")}},
			[]string{"a 40755", "a/new 100644 y"},
			"",
		},
		{"4 opaque root", stack{{reg("a/b", "x"), reg("c", "")}, {reg("a/new", "y"), reg(".wh..wh..opq", "")}}, []string{"a 40755", "a/new 100644 y"}, ""},
		{"4f whiteout below a file", replaced(reg("foo", "x"), reg("foo/.wh.bar", "")), []string{"baz 40755", "baz/bar 100644 2", "foo 100644 x"}, ""},
		{"4f whiteout, then the file", replaced(reg("foo/.wh.bar", ""), reg("foo", "x")), []string{"baz 40755", "baz/bar 100644 2", "foo 100644 x"}, ""},
		{"4f whiteout below a link to nowhere", replaced(sym("foo", "nowhere"), reg("foo/.wh.bar", "")), []string{"baz 40755", "baz/bar 100644 2", "foo -> nowhere"}, ""},
		{"4f whiteout below a link to another directory", replaced(dir("baz"), sym("foo", "baz"), reg("foo/.wh.bar", "")), []string{"baz 40755", "baz/bar 100644 2", "foo -> baz"}, ""},
		{"4f opaque below a link to another directory", replaced(dir("baz"), sym("foo", "baz"), reg("foo/.wh..wh..opq", "")), []string{"baz 40755", "baz/bar 100644 2", "foo -> baz"}, ""},
		{"4f opaque, then the link", replaced(reg("foo/.wh..wh..opq", ""), dir("baz"), sym("foo", "baz")), []string{"baz 40755", "baz/bar 100644 2", "foo -> baz"}, ""},
		{"4f whiteout below a link of the lower layer", stack{{sym("foo", "baz"), reg("baz/bar", "2")}, {reg("foo/.wh.bar", "")}}, []string{"baz 40755", "baz/bar 100644 2", "foo -> baz"}, ""},
		{"4f whiteout below a link out", stack{{sym("l", "/etc"), reg("l/.wh.x", "")}}, []string{"l -> /etc"}, ""},
		{
			"4f whiteout through a link",
			stack{{reg("etc/x", "y")}, {dir("etc"), sym("l", "/etc"), reg("l/.wh.x", "")}},
			[]string{"etc 40755", "etc/x 100644 y", "l -> /etc"},
			"",
		},
		{"4g nothing there", stack{{reg(".wh.nothing", "")}, {reg(".wh.nothing", ""), reg("d/.wh.x", "")}}, []string{"d 40755"}, ""},
		{"4h whiteout first", stack{{reg("a", "old")}, {reg(".wh.a", ""), reg("a", "x")}}, []string{"a 100644 x"}, ""},
		{"4h file first", stack{{reg("a", "old")}, {reg("a", "x"), reg(".wh.a", "")}}, []string{"a 100644 x"}, ""},
		{"4h whiteout, then directory", stack{{reg("a/b", "old")}, {reg(".wh.a", ""), reg("a/c", "x")}}, []string{"a 40755", "a/c 100644 x"}, ""},
		{"4h whiteout, then a member for the directory", stack{{reg("a/b", "old")}, {reg(".wh.a", ""), dir("a")}}, []string{"a 40755"}, ""},
		{"4h directory, then whiteout", stack{{reg("a/b", "old")}, {reg("a/c", "x"), reg(".wh.a", "")}}, []string{"a 40755", "a/c 100644 x"}, ""},
		{"4 bookkeeping of aufs", stack{{reg("a", ""), reg(".wh..wh.plnk/x", "")}}, nil, "name of a whiteout"},
		{"4 bookkeeping of aufs, a file", stack{{reg("a", "")}, {reg(".wh..wh.aufs", "")}}, []string{"a 100644"}, ""},
		{"5 last wins", stack{{reg("a", "x"), dir("a"), sym("a", "b")}}, []string{"a -> b"}, ""},
		{"5 directory over directory", stack{{reg("a/b", "x"), with(dir("a"), mode(0o700))}}, []string{"a 40700", "a/b 100644 x"}, ""},
		{"5 file over directory", stack{{reg("a/b/c", "x"), reg("a", "y")}}, []string{"a 100644 y"}, ""},
		{"5 directories of two layers", stack{{reg("a/b", "x")}, {with(dir("a"), mode(0o711)), reg("a/c", "y")}}, []string{"a 40711", "a/b 100644 x", "a/c 100644 y"}, ""},
		{"5 file over a lower directory", stack{{reg("a/b", "x")}, {reg("a", "y")}}, []string{"a 100644 y"}, ""},
		{"5 and a directory again", stack{{reg("a/b", "x")}, {reg("a", "y")}, {dir("a")}}, []string{"a 40755"}, ""},
		{"5 name of a hard link replaced", stack{{reg("a", "one"), hard("b", "a"), reg("a", "two")}}, []string{"a 100644 two", "b 100644 one"}, ""},
		{
			"5 a link replaced through itself",
			stack{{dir("b"), sym("l", "."), sym("l/l", "b"), reg("l/z", "x")}},
			[]string{"b 40755", "b/z 100644 x", "l -> b"},
			"",
		},
		{"5 below a file", stack{{reg("a", "one"), reg("a/b", "two")}}, nil, "not a directory"},
		{"5 below a file of a lower layer", stack{{reg("a", "one")}, {reg("a/b", "two")}}, []string{"a 40755", "a/b 100644 two"}, ""},
		{
			"5 implicit directory looks like that below, hidden or not",
			stack{{with(dir("a"), mode(0o711)), with(dir("b"), mode(0o700))}, {reg("a/f", ""), reg(".wh.b", "")}, {reg("b/f", "")}},
			[]string{"a 40711", "a/f 100644", "b 40700", "b/f 100644"},
			"",
		},
		{
			"6a devices",
			stack{{dev("dev/sda", tar.TypeBlock), dev("dev/null", tar.TypeChar), hard("dev/zero", "dev/null")}},
			[]string{"dev 40755", "dev/null 20600 8:1", "dev/sda 60600 8:1", "dev/zero 20600 8:1"},
			"",
		},
		{"6a device over a file, and hidden", stack{{reg("x", "abc"), reg("y", "")}, {dev("x", tar.TypeChar), dev("y", tar.TypeChar)}, {reg(".wh.y", "")}}, []string{"x 20600 8:1"}, ""},
		{"6a device 0:0 hides nothing", stack{{dir("d")}, {with(dev("d/c", tar.TypeChar), func(h *tar.Header) { h.Devmajor, h.Devminor = 0, 0 })}}, []string{"d 40755", "d/c 20600 0:0"}, ""},
		{"6b fifo", stack{{dev("f", tar.TypeFifo)}}, []string{"f 10600"}, ""},
		{"6c socket", stack{{dev("s", 's')}}, nil, "unknown type"},
		{"6d modes", stack{{with(reg("a", ""), mode(0o6755)), with(dir("t"), mode(0o1777))}}, []string{"a 106755", "t 41777"}, ""},
		{
			"6e capability",
			stack{{with(reg("a", ""), xattrs(capability, cap2)), with(reg("b", ""), xattrs(capability, cap3))}},
			[]string{fmt.Sprintf("a 100644 security.capability=%q", cap2), fmt.Sprintf("b 100644 security.capability=%q", cap2)},
			"",
		},
		{"6e damaged capability", stack{{with(reg("a", ""), xattrs(capability, "x"))}}, nil, "of 1 bytes"},
		{
			"6f overlay attributes",
			stack{{with(dir("t"), xattrs("user.overlay.opaque", "y", "trusted.overlay.opaque", "y", "user.containers.override_stat", "0:0:0", "user.note", "n", "security.selinux", "l", "trusted.x", "y"))}},
			[]string{`t 40755 security.selinux="l" trusted.x="y" user.note="n"`},
			"",
		},
		{"6f labels of links and devices", stack{{with(sym("a", "b"), xattrs("security.selinux", "l")), with(dev("d", tar.TypeChar), xattrs("security.selinux", "m", "user.note", "n"))}}, []string{`a -> b security.selinux="l"`, `d 20600 8:1 security.selinux="m"`}, ""},
		{"6g access lists", stack{{with(reg("a", ""), xattrs("system.posix_acl_access", "v", "system.posix_acl_default", "v"))}}, []string{`a 100644 system.posix_acl_access="v"`}, ""},
		{"6 attributes of a link", stack{{with(sym("a", "b"), xattrs("user.note", "n"))}}, []string{"a -> b"}, ""},
		{"7a owners", stack{{with(reg("a", ""), func(h *tar.Header) { h.Uid, h.Gid = 70000, 1<<32-2 })}}, []string{"a 100644 70000:4294967294"}, ""},
		{"7b huge owner", stack{{with(reg("a", ""), func(h *tar.Header) { h.Uid = 1 << 33 })}}, nil, "out of range"},
		{"7c negative owner", stack{{with(reg("a", ""), func(h *tar.Header) { h.Uid, h.Format = -1, tar.FormatGNU })}}, nil, "out of range"},
		{"7d base-256 device", stack{{with(dev("a", tar.TypeChar), func(h *tar.Header) { h.Devmajor, h.Format = 1<<40, tar.FormatGNU })}}, nil, "out of range"},
		{"7g type bits in the mode", stack{{with(reg("a", ""), mode(0o100600))}}, []string{"a 100600"}, ""},
		{"7g mode", stack{{with(reg("a", ""), mode(0o1000600))}}, nil, "mode"},
		{"8a odd names", stack{{reg("a\nb\xff\x01", "x")}}, []string{"a\nb\xff\x01 100644 x"}, ""},
		{"8b 255 bytes", stack{{reg(strings.Repeat("n", 255), "x")}}, []string{strings.Repeat("n", 255) + " 100644 x"}, ""},
		{"8b 256 bytes", stack{{reg(strings.Repeat("n", 256), "x")}}, nil, "too long"},
		{"8b long path", stack{{reg(strings.Repeat("d/", 2100)+"f", "x")}}, nil, "too long"},
		{"8b long path through a link", stack{{dir(strings.Repeat("d/", 2000)), sym("l", strings.Repeat("d/", 2000)), reg("l/"+strings.Repeat("n", 200), "x")}}, nil, "too long"},
		{"8f case", stack{{reg("A", "x"), reg("a", "y"), reg("e\u0301", ""), reg("\u00e9", "")}}, []string{"A 100644 x", "a 100644 y", "e\u0301 100644", "\u00e9 100644"}, ""},
		{"global header", stack{{{tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}, ""}, reg("a", "")}}, []string{"a 100644"}, ""},
		{"no layers", nil, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var streams [][]byte
			for _, l := range tt.in {
				streams = append(streams, pack(t, l...))
			}
			got, err := Merge(t.Context(), asLayers(streams...), 0, 2)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v, want %q", err, tt.err)
				}
				if !strings.HasPrefix(err.Error(), fmt.Sprintf("layer %d: member ", len(streams)-1)) {
					t.Errorf("%v does not name layer and member", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(lines(t, got), tt.want); diff != "" {
				t.Errorf("entries (-got +want):\n%s", diff)
			}
			checkTree(t, got)
		})
	}
}

// checkTree checks what a Tree guarantees.
func checkTree(t testing.TB, tr *Tree) {
	t.Helper()
	if len(tr.Entries) == 0 || tr.Entries[0].Path != "" || tr.Entries[0].Type() != Dir {
		t.Fatal("the tree has no root directory")
	}
	types := map[string]uint32{}
	for i := range tr.Entries {
		e := &tr.Entries[i]
		if i > 0 && Compare(tr.Entries[i-1].Path, e.Path) >= 0 {
			t.Errorf("%q comes after %q", e.Path, tr.Entries[i-1].Path)
		}
		if types[e.Parent()] != Dir && i > 0 {
			t.Errorf("%q is below no directory", e.Path)
		}
		if i > 0 && strings.HasPrefix(e.Name(), whiteoutPrefix) {
			t.Errorf("%q has the name of a whiteout", e.Path)
		}
		if e.Hardlink != "" {
			if k, ok := types[e.Hardlink]; !ok || k == Dir {
				t.Errorf("%q is a hard link to %q", e.Path, e.Hardlink)
			}
			continue
		}
		types[e.Path] = e.Type()
	}
}

// An archive of a root file system has no whiteouts: names that look like them
// are names.
func TestMergePlain(t *testing.T) {
	layers := asLayers(pack(t, dir("./"), reg("./a", "1"), reg("./.wh.a", "2"), dir(".wh.d"), reg(".wh.d/x", "3")))
	layers[0].Plain = true
	tr, err := Merge(t.Context(), layers, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range tr.Entries {
		names = append(names, e.Path)
	}
	if diff := cmp.Diff(names, []string{"", ".wh.a", ".wh.d", ".wh.d/x", "a"}); diff != "" {
		t.Errorf("names (-got +want):\n%s", diff)
	}
}

func TestMergeTimes(t *testing.T) {
	at := func(name string, sec, nsec int64) packed {
		return with(reg(name, ""), func(h *tar.Header) { h.ModTime, h.Format = time.Unix(sec, nsec), tar.FormatPAX })
	}
	layers := asLayers(pack(t, at("a", -5, 0), at("b", 1<<34, 5), at("c", 1000, 7), at("d", 999, 999), at("e/f", 2000, 1)))
	for clamp, want := range map[int64][]string{
		0:    {" 0.0", "a -5.0", "b 17179869184.5", "c 1000.7", "d 999.999", "e 2000.1", "e/f 2000.1"},
		1000: {" 0.0", "a -5.0", "b 1000.0", "c 1000.0", "d 999.999", "e 1000.0", "e/f 1000.0"},
	} {
		tr, err := Merge(t.Context(), layers, clamp, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range tr.Entries {
			got = append(got, fmt.Sprintf("%s %d.%d", e.Path, e.Mtime, e.MtimeNsec))
		}
		if diff := cmp.Diff(got, want); diff != "" {
			t.Errorf("clamp %d (-got +want):\n%s", clamp, diff)
		}
	}
}

// Holes are found by content, wherever a file is in its layer, and only once for a
// file with several names.
func TestMergeHoles(t *testing.T) {
	content := make([]byte, 5<<20+100)
	content[3<<20+70000], content[5<<20+99] = 1, 1
	full := bytes.Repeat([]byte("x"), HoleSize)
	tr, err := Merge(t.Context(), asLayers(pack(t,
		reg("0", "odd offset"), reg("s", string(content)), hard("t", "s"), reg("u", string(full)), reg("v", string(make([]byte, HoleSize-1))), reg("w", string(make([]byte, HoleSize))),
	)), 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]Range{"0": nil, "s": {{3<<20 + HoleSize, HoleSize}, {5 << 20, 100}}, "t": nil, "u": nil, "v": nil, "w": {}}
	got := map[string][]Range{}
	for _, e := range tr.Entries[1:] {
		got[e.Path] = e.Data
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("ranges (-got +want):\n%s", diff)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(pack(f, reg("a", "x"), sym("b", "/a"), hard("c", "a"), reg("b/.wh.x", "")), pack(f, reg(".wh.a", ""), hard("z", "b")))
	f.Add(pack(f, dir("d"), sym("d/l", "/"), reg("d/l/f", "x"), reg("d", "y"), reg(".wh..wh..opq", "")), pack(f, dir("d"), hard("q", "d/l")))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		tr, err := Merge(t.Context(), asLayers(a, b), 0, 2)
		if err != nil {
			return
		}
		checkTree(t, tr)
		lines(t, tr)
	})
}

// A layer that turns a link into a directory is reported; one that follows the
// link, or replaces it by something else, is not.
func TestMergeNotesLinks(t *testing.T) {
	below := pack(t, sym("lib", "usr/lib"), reg("usr/lib/x", ""), sym("f", "usr"), sym("gone", "usr"))
	for name, upper := range map[string][]byte{
		`"/lib" is a link to "usr/lib"`: pack(t, reg("lib/firmware/x", "y")),
		`"/f" is a link to "usr"`:       pack(t, dir("f")),
		"":                              pack(t, reg("usr/lib/y", ""), reg("f", "a file"), reg(".wh.gone", "")),
	} {
		var notes []string
		layers := asLayers(below, upper)
		layers[1].Note = func(text string) { notes = append(notes, text) }
		if _, err := Merge(t.Context(), layers, 0, 1); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(notes, "\n"); name == "" && got != "" || !strings.HasPrefix(got, name) {
			t.Errorf("got %q, want %q", got, name)
		}
	}
}
