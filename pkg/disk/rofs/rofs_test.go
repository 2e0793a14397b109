// SPDX-License-Identifier: MPL-2.0

package rofs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// node is an inode of a file system in memory; kids are the names in a directory.
type node struct {
	Inode
	kids []name
}

type name struct {
	name string
	of   *node
}

func dir(id uint64, kids ...name) *node {
	return &node{Inode{Entry: tree.Entry{Mode: tree.Dir | 0o755}, ID: id, Links: 2}, kids}
}

func file(id uint64, links uint32) *node {
	return &node{Inode{Entry: tree.Entry{Mode: tree.Regular | 0o644, Size: 1}, ID: id, Links: links}, nil}
}

var errTwice = errors.New("there twice")

func walk(ctx context.Context, root *node, l Limits) *Walk[*node] {
	w := NewWalk[*node](l)
	w.Twice = errTwice
	w.Run(ctx, root, func(_ context.Context, dir *node) error {
		for _, k := range dir.kids {
			path, err := w.Path(dir, k.name)
			if err != nil {
				return err
			}
			again := *k.of
			again.Entry.Path = path
			w.Add(&again)
		}
		return nil
	})
	return w
}

func TestWalk(t *testing.T) {
	loop := dir(2)
	loop.kids = []name{{"again", loop}}
	link := file(4, 2)
	deep := dir(1, name{strings.Repeat("n", 200), dir(2, name{strings.Repeat("m", 200), dir(3)})})
	plenty := Limits{Tree: 1 << 20, Paths: 1 << 20}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name   string
		ctx    context.Context
		root   *node
		limits Limits
		want   []string // path, and the file that it is a hard link to
		err    error
	}{
		{"links", t.Context(), dir(1, name{"b", link}, name{"a", link}, name{"d", dir(2, name{"c", link})}), plenty, []string{"", "a", "b=a", "d", "d/c=a"}, nil},
		{"loop", t.Context(), dir(1, name{"d", loop}), plenty, []string{"", "d"}, errTwice},
		{"memory", t.Context(), dir(1, name{"a", file(4, 1)}, name{"b", file(5, 1)}), Limits{Tree: 1000, Paths: 100}, []string{"", "a"}, damage.ErrUnread},
		{"paths", t.Context(), deep, Limits{Tree: 1 << 20, Paths: 500}, []string{"", strings.Repeat("n", 200)}, damage.ErrUnread},
		{"long enough", t.Context(), deep, Limits{Tree: 1 << 20, Paths: 601}, []string{"", strings.Repeat("n", 200), strings.Repeat("n", 200) + "/" + strings.Repeat("m", 200)}, nil},
		{"cancelled", cancelled, deep, plenty, []string{""}, context.Canceled},
	} {
		w := walk(tt.ctx, tt.root, tt.limits)
		contents := 0
		var got []string
		for _, e := range w.Tree(func(*node) { contents++ }).Entries {
			path := e.Path
			if e.Hardlink != "" {
				path += "=" + e.Hardlink
			} else if e.Type() == tree.Regular {
				contents--
			}
			got = append(got, path)
		}
		if diff := cmp.Diff(got, tt.want); diff != "" || contents != 0 {
			t.Errorf("%s: contents of %d files too many; paths (-got +want):\n%s", tt.name, contents, diff)
		}
		if !errors.Is(w.Err, tt.err) {
			t.Errorf("%s: got %v, want %v", tt.name, w.Err, tt.err)
		}
	}
}

func TestInodes(t *testing.T) {
	d := func(path string) tree.Entry { return tree.Entry{Path: path, Mode: tree.Dir | 0o755} }
	f := func(path string) tree.Entry { return tree.Entry{Path: path, Mode: tree.FIFO} }
	link := func(path, to string) tree.Entry { return tree.Entry{Path: path, Hardlink: to} }
	for _, tt := range []struct {
		entries []tree.Entry
		want    string // names and their files, or the error
	}{
		{[]tree.Entry{d(""), f("a"), d("d"), link("d/b", "a"), link("d/c", "d/b")}, "a=a d=d b=a c=a"},
		{nil, "test: /: malformed tree: the first entry is not the root directory"},
		{[]tree.Entry{d(""), f("b"), f("a")}, "test: /a: malformed tree: it comes after /b"},
		{[]tree.Entry{d(""), f("a"), f("a/b")}, "test: /a/b: malformed tree: no directory is before it"},
		{[]tree.Entry{d(""), d("a"), link("b", "a")}, "test: /b: malformed tree: hard link to /a, which is not before it or a directory"},
		{[]tree.Entry{d(""), f(strings.Repeat("n", 256))}, "test: /" + strings.Repeat("n", 256) + ": name is longer than 255 bytes: 256 bytes"},
		{[]tree.Entry{d(""), {Path: "x", Mode: 0o644}}, "test: /x: malformed tree: mode 0644 has no type"},
	} {
		var names []string
		err := Inodes("test", &tree.Tree{Entries: tt.entries}, func(e *tree.Entry) (string, error) { return e.Path, CheckEntry(e) },
			func(_ string, e *tree.Entry, of string) { names = append(names, e.Name()+"="+of) })
		got := strings.Join(names, " ")
		if err != nil {
			got = fmt.Sprint(err)
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
