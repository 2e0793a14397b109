// SPDX-License-Identifier: MPL-2.0

package delta

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// makeTree makes a tree from lines: "path content", "dir/", "link -> target", "name = file", a
// device "path c 1,3"; options follow after " | ": a mode, an owner as UID:GID, a time as @N,
// an attribute as name=value.
func makeTree(t *testing.T, lines ...string) *tree.Tree {
	t.Helper()
	out := &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755, Mtime: 1}}}
	for _, line := range lines {
		line, options, _ := strings.Cut(line, " | ")
		e := tree.Entry{Mtime: 1}
		switch f := strings.SplitN(line, " ", 3); {
		case len(f) == 3 && f[1] == "->":
			e.Path, e.Link, e.Mode = f[0], f[2], tree.Symlink|0o777
		case len(f) == 3 && f[1] == "=":
			e = tree.Entry{Path: f[0], Hardlink: f[2]}
		case len(f) == 3 && f[1] == "c":
			e.Path, e.Mode = f[0], tree.Char|0o600
			if _, err := fmt.Sscanf(f[2], "%d,%d", &e.Rdev.Major, &e.Rdev.Minor); err != nil {
				t.Fatal(err)
			}
		case strings.HasSuffix(line, "/"):
			e.Path, e.Mode = strings.Trim(line, "/"), tree.Dir|0o755
		case line == "socket":
			e.Path, e.Mode = line, tree.Socket|0o755
		default:
			content := strings.Join(f[1:], " ")
			e.Path, e.Mode, e.Size, e.Content = strings.Trim(f[0], "/"), tree.Regular|0o644, int64(len(content)), image.Bytes(content)
		}
		for o := range strings.FieldsSeq(options) {
			name, value, isAttr := strings.Cut(o, "=")
			switch {
			case isAttr:
				e.Xattrs = append(e.Xattrs, tree.Xattr{Name: name, Value: []byte(value)})
			case o[0] == '@':
				_, _ = fmt.Sscanf(o, "@%d", &e.Mtime)
			case strings.Contains(o, ":"):
				_, _ = fmt.Sscanf(o, "%d:%d", &e.UID, &e.GID)
			default:
				var mode uint32
				_, _ = fmt.Sscanf(o, "%o", &mode)
				e.Mode = e.Mode&tree.TypeMask | mode
			}
		}
		if e.Path == "" {
			out.Entries[0] = e
			continue
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}

func said(changes []Change) (out []string) {
	for _, c := range changes {
		switch {
		case c.Removed:
			out = append(out, "-"+c.Path)
		case c.Entry.Path != c.Path:
			out = append(out, "entry "+c.Entry.Path+" at "+c.Path)
		case c.Entry.Hardlink != "":
			out = append(out, c.Path+" = "+c.Entry.Hardlink)
		case c.Parent:
			out = append(out, "("+c.Path+")")
		default:
			out = append(out, c.Path)
		}
	}
	return out
}

func TestFind(t *testing.T) {
	base := []string{"a 1", "d/", "d/f 2", "d/g 3", "e/", "e/x/", "e/x/y 4", "h one", "i = h", "l -> a", "n c 1,3"}
	with := func(change func(lines map[string]string)) []string {
		lines := map[string]string{}
		for _, l := range base {
			lines[strings.SplitN(l, " ", 2)[0]] = l
		}
		change(lines)
		var out []string
		for _, l := range lines {
			out = append(out, l)
		}
		return out
	}
	for name, c := range map[string]struct {
		change func(l map[string]string)
		revert []string
		want   []string
	}{
		"nothing":                    {func(map[string]string) {}, nil, nil},
		"content of the same size":   {func(l map[string]string) { l["d/f"] = "d/f 9" }, nil, []string{"(d)", "d/f"}},
		"mode":                       {func(l map[string]string) { l["a"] = "a 1 | 4755" }, nil, []string{"a"}},
		"owner":                      {func(l map[string]string) { l["a"] = "a 1 | 33:0" }, nil, []string{"a"}},
		"group":                      {func(l map[string]string) { l["a"] = "a 1 | 0:33" }, nil, []string{"a"}},
		"time":                       {func(l map[string]string) { l["a"] = "a 1 | @2" }, nil, []string{"a"}},
		"time of a directory":        {func(l map[string]string) { l["d/"] = "d/ | @2" }, nil, nil},
		"mode of a directory":        {func(l map[string]string) { l["e/x/"] = "e/x/ | 700" }, nil, []string{"(e)", "e/x"}},
		"mode of the root":           {func(l map[string]string) { l["/"] = "/ | 700" }, nil, nil},
		"attribute":                  {func(l map[string]string) { l["a"] = "a 1 | security.capability=x" }, nil, []string{"a"}},
		"target":                     {func(l map[string]string) { l["l"] = "l -> b" }, nil, []string{"l"}},
		"device":                     {func(l map[string]string) { l["n"] = "n c 1,5" }, nil, []string{"n"}},
		"new":                        {func(l map[string]string) { l["e/x/z"] = "e/x/z 5" }, nil, []string{"(e)", "(e/x)", "e/x/z"}},
		"removed":                    {func(l map[string]string) { delete(l, "d/f") }, nil, []string{"(d)", "-d/f"}},
		"removed with all below":     {func(l map[string]string) { delete(l, "e/"); delete(l, "e/x/"); delete(l, "e/x/y") }, nil, []string{"-e"}},
		"a directory becomes a file": {func(l map[string]string) { delete(l, "e/x/y"); delete(l, "e/x/"); l["e/"] = "e now" }, nil, []string{"e"}},
		"a file becomes a directory": {func(l map[string]string) { l["a"] = "a/"; l["a/b"] = "a/b 1" }, nil, []string{"a", "a/b"}},
		"a link becomes a directory": {func(l map[string]string) { l["l"] = "l/" }, nil, []string{"l"}},
		"a socket":                   {func(l map[string]string) { l["s"] = "socket" }, nil, nil},
		"content of a linked file":   {func(l map[string]string) { l["h"] = "h two" }, nil, []string{"h", "i = h"}},
		"another name":               {func(l map[string]string) { l["j"] = "j = h" }, nil, []string{"h", "i = h", "j = h"}},
		"a name less":                {func(l map[string]string) { delete(l, "i") }, nil, []string{"-i"}},
		"the first name less":        {func(l map[string]string) { delete(l, "h"); l["i"] = "i one" }, nil, []string{"-h"}},
		"names that part":            {func(l map[string]string) { l["i"] = "i one" }, nil, []string{"h", "i"}},
		"reverted new":               {func(l map[string]string) { l["d/n"] = "d/n 5" }, []string{"d/n"}, nil},
		"reverted change":            {func(l map[string]string) { l["d/f"] = "d/f 9"; l["a"] = "a 7" }, []string{"d/f"}, []string{"a"}},
		"reverted removal":           {func(l map[string]string) { delete(l, "e/"); delete(l, "e/x/"); delete(l, "e/x/y") }, []string{"e"}, nil},
		"reverted directory":         {func(l map[string]string) { l["m/"] = "m/"; l["m/k/"] = "m/k/" }, []string{"m", "m/k"}, nil},
		"reverted and filled": {
			func(l map[string]string) { l["m/"] = "m/"; l["m/k/"] = "m/k/"; l["m/k/f"] = "m/k/f 1" },
			[]string{"m", "m/k"},
			[]string{"m", "m/k", "m/k/f"},
		},
		"reverted first name": {func(l map[string]string) { l["d/n"] = "d/n 5"; l["z"] = "z = d/n" }, []string{"d/n"}, []string{"z"}},
	} {
		before, after := makeTree(t, base...), sorted(makeTree(t, with(c.change)...))
		o := Options{Revert: map[string]bool{}}
		for _, p := range c.revert {
			o.Revert[p] = true
		}
		changes, err := Find(t.Context(), before, after, o)
		if err != nil {
			t.Fatal(err)
		}
		want := c.want
		if name == "mode of the root" {
			want = []string{""}
		}
		if diff := cmp.Diff(said(changes), want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", name, diff)
		}
	}
}

func sorted(t *tree.Tree) *tree.Tree {
	for i := range t.Entries {
		for k := i; k > 0 && tree.Compare(t.Entries[k].Path, t.Entries[k-1].Path) < 0; k-- {
			t.Entries[k], t.Entries[k-1] = t.Entries[k-1], t.Entries[k]
		}
	}
	return t
}

// Same saves reading, and is only asked about files of the same size.
func TestSame(t *testing.T) {
	asked := 0
	before, after := makeTree(t, "a 11", "b 2", "c 3"), makeTree(t, "a 1", "b 2", "c 4")
	changes, err := Find(t.Context(), before, after, Options{Same: func(*tree.Entry, *tree.Entry) bool { asked++; return true }})
	if diff := cmp.Diff(said(changes), []string{"a"}); diff != "" || err != nil || asked != 2 {
		t.Errorf("asked %d times, %v, %s", asked, err, diff)
	}
}

// The layer on the old tree makes the new tree.
func TestWriteTar(t *testing.T) {
	before := makeTree(t, "a 1", "d/", "d/f 2", "e/", "e/x 4", "h one", "i = h", "l -> a")
	after := sorted(makeTree(t, "a 1 | 4755 33:44 user.x=y", "d/", "d/f 2", "d/new c 1,3 | 666", "h one", "i = h", "j = h", "l -> elsewhere | @7", "e file"))
	changes, err := Find(t.Context(), before, after, Options{})
	if err != nil {
		t.Fatal(err)
	}
	pack := func(changes []Change) tree.Layer {
		var b bytes.Buffer
		if err := WriteTar(t.Context(), &b, changes, TarOptions{}); err != nil {
			t.Fatal(err)
		}
		return tree.Layer{Name: "layer", Tar: bytes.NewReader(b.Bytes()), Size: int64(b.Len())}
	}
	all, err := Find(t.Context(), &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}}, before, Options{})
	if err != nil {
		t.Fatal(err)
	}
	merged, err := tree.Merge(t.Context(), []tree.Layer{pack(all), pack(changes)}, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	left, err := Find(t.Context(), after, merged, Options{})
	if err != nil || len(left) > 0 {
		t.Errorf("differs from what is to come out: %v, %v", said(left), err)
	}
}

func TestWriteTarHeaders(t *testing.T) {
	clamp := int64(5)
	changes := []Change{{Path: "", Entry: &tree.Entry{Mode: tree.Dir | 0o711, Mtime: 9}}, {Path: "d/gone", Removed: true}}
	var b bytes.Buffer
	if err := WriteTar(t.Context(), &b, changes, TarOptions{Clamp: &clamp}); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&b)
	for _, want := range []string{"./ 711 5", "d/.wh.gone 0 0"} {
		h, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%s %o %d", h.Name, h.Mode, h.ModTime.Unix()); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Error(err)
	}
	if err := WriteTar(t.Context(), io.Discard, []Change{{Path: "d/.wh.x", Entry: &tree.Entry{Path: "d/.wh.x", Mode: tree.Regular}}}, TarOptions{}); err == nil {
		t.Error("a file with the name of a whiteout was taken")
	}
}
