// SPDX-License-Identifier: MPL-2.0

package delta

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Change is a path that has changed. Changes come in tree.Compare order.
type Change struct {
	Path    string // slash-separated, without a leading slash; "" is the root
	Removed bool   // the path and everything below it is gone
	// Entry is the new entry, with content; nil if Removed. For a directory it says nothing
	// about its contents.
	Entry *tree.Entry
	// Parent says that the directory itself is unchanged, except for its time, and is listed
	// because of changes below it.
	Parent bool
}

// Options of Find.
type Options struct {
	// Same reports whether the contents of two regular files of the same size are known to be
	// the same without reading them. nil: never.
	Same func(before, after *tree.Entry) bool
	// Revert are paths that count as unchanged; a directory only if nothing else in it has
	// changed.
	Revert map[string]bool
}

// Find compares two trees. A directory that differs only in its time is not a change, and
// is listed only for changes below it, as in a layer from an overlay snapshot. If the set of
// a file's names has changed, all its names are changes: a layer cannot add a name to a file
// of another layer. Sockets are left out.
func Find(ctx context.Context, before, after *tree.Tree, o Options) ([]Change, error) {
	f := &finder{Options: o, before: newNames(before), after: newNames(after)}
	if err := f.links(ctx); err != nil {
		return nil, err
	}
	b, a := before.Entries, after.Entries
	for len(b) > 0 || len(a) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := order(b, a)
		switch {
		case c < 0:
			f.gone(b[0].Path)
			b = b[1:]
		case c > 0:
			f.changed(&a[0], false)
			a = a[1:]
		default:
			if err := f.compare(&b[0], &a[0]); err != nil {
				return nil, err
			}
			b, a = b[1:], a[1:]
		}
	}
	f.reverted()
	return f.withFiles(f.withParents()), nil
}

// order compares the first paths of two lists; an empty one is last.
func order(b, a []tree.Entry) int {
	switch {
	case len(b) == 0:
		return 1
	case len(a) == 0:
		return -1
	}
	return tree.Compare(b[0].Path, a[0].Path)
}

// names are the names of a tree's files.
type names struct {
	entries map[string]*tree.Entry // the file, by each name
	of      map[string][]string    // all names of a file with several, by its first name
}

func newNames(t *tree.Tree) names {
	n := names{make(map[string]*tree.Entry, len(t.Entries)), map[string][]string{}}
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Hardlink == "" {
			n.entries[e.Path] = e
			continue
		}
		n.entries[e.Path] = n.entries[e.Hardlink]
		if n.of[e.Hardlink] == nil {
			n.of[e.Hardlink] = []string{e.Hardlink}
		}
		n.of[e.Hardlink] = append(n.of[e.Hardlink], e.Path)
	}
	return n
}

type finder struct {
	Options
	before, after names
	relinked      map[string]bool // first names of files with several names that have changed, or whose names have
	out           []Change
	below         string // path that is gone or no longer a directory, with a slash
}

// links compares the files with several names.
func (f *finder) links(ctx context.Context) error {
	f.relinked = map[string]bool{}
	for first, all := range f.after.of {
		if err := ctx.Err(); err != nil {
			return err
		}
		was := f.before.entries[first]
		for _, name := range all {
			if was == nil || f.before.entries[name] != was {
				f.relinked[first] = true
			}
		}
		if f.relinked[first] {
			continue
		}
		same, err := f.same(was, f.after.entries[first])
		if err != nil {
			return err
		}
		f.relinked[first] = !same
	}
	// Names of one file that belong to two files now.
	for _, all := range f.before.of {
		now := map[*tree.Entry]string{}
		for _, name := range all {
			if e := f.after.entries[name]; e != nil {
				now[e] = name
			}
		}
		if len(now) < 2 {
			continue
		}
		for e := range now {
			f.relinked[e.Path] = true
		}
	}
	return nil
}

// gone notes a path that has been removed.
func (f *finder) gone(path string) {
	if f.below != "" && strings.HasPrefix(path, f.below) {
		return
	}
	f.below = path + "/"
	f.out = append(f.out, Change{Path: path, Removed: true})
}

// changed notes a path that is new or has changed.
func (f *finder) changed(e *tree.Entry, parent bool) {
	if f.after.entries[e.Path].Type() == tree.Socket {
		return
	}
	f.out = append(f.out, Change{Path: e.Path, Entry: copyOf(e), Parent: parent})
}

// compare compares a path that both trees have.
func (f *finder) compare(b, a *tree.Entry) error {
	was, is := f.before.entries[b.Path], f.after.entries[a.Path]
	if was.Type() == tree.Dir && is.Type() != tree.Dir {
		f.below = b.Path + "/" // replaced, with all below
	}
	if f.relinked[is.Path] {
		f.changed(a, false)
		return nil
	}
	same, err := f.same(was, is)
	if err != nil {
		return err
	}
	switch {
	case !same:
		f.changed(a, false)
	case is.Type() == tree.Dir:
		f.changed(a, true) // dropped later if nothing below has changed
	}
	return nil
}

// same compares two files, except for the times of directories.
func (f *finder) same(b, a *tree.Entry) (bool, error) {
	if b.Mode != a.Mode || b.UID != a.UID || b.GID != a.GID || b.Link != a.Link || !sameXattrs(b, a) {
		return false, nil
	}
	switch a.Type() {
	case tree.Dir, tree.Socket:
		return true, nil
	case tree.Char, tree.Block:
		if b.Rdev != a.Rdev {
			return false, nil
		}
	}
	if b.Mtime != a.Mtime || b.MtimeNsec != a.MtimeNsec || b.Size != a.Size {
		return false, nil
	}
	if a.Type() != tree.Regular || a.Size == 0 || f.Same != nil && f.Same(b, a) {
		return true, nil
	}
	same, err := sameContent(b, a)
	if err != nil {
		return false, fmt.Errorf("compare /%s: %w", a.Path, err)
	}
	return same, nil
}

func sameXattrs(b, a *tree.Entry) bool {
	return slices.EqualFunc(b.Xattrs, a.Xattrs, func(x, y tree.Xattr) bool { return x.Name == y.Name && bytes.Equal(x.Value, y.Value) })
}

// sameContent compares two files of the same size.
func sameContent(b, a *tree.Entry) (bool, error) {
	const step = 256 << 10
	x, y := make([]byte, min(step, a.Size)), make([]byte, min(step, a.Size))
	for off := int64(0); off < a.Size; off += step {
		n := min(step, a.Size-off)
		for _, r := range []struct {
			from io.ReaderAt
			to   []byte
		}{{b.Content, x[:n]}, {a.Content, y[:n]}} {
			if k, err := r.from.ReadAt(r.to, off); int64(k) < n {
				return false, err
			}
		}
		if !bytes.Equal(x[:n], y[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// isDir reports whether a change says that there is a directory.
func (c *Change) isDir() bool {
	return c.Entry != nil && c.Entry.Hardlink == "" && c.Entry.Type() == tree.Dir
}

// reverted drops changes that do not count. The contents of a directory follow it, so it
// goes from the last change to the first.
func (f *finder) reverted() {
	drop := make([]bool, len(f.out))
	for i := len(f.out) - 1; i >= 0; i-- {
		c := &f.out[i]
		if !f.Revert[c.Path] {
			continue
		}
		drop[i] = true
		for k := i + 1; c.isDir() && k < len(f.out) && within(c.Path, f.out[k].Path); k++ {
			if !drop[k] && !f.out[k].Parent {
				drop[i] = false
			}
		}
	}
	out := f.out[:0]
	for i, c := range f.out {
		if !drop[i] {
			out = append(out, c)
		}
	}
	f.out = out
}

// withFiles makes the first name of a file in changes the file itself, if that was another
// name, which is not among the changes.
func (f *finder) withFiles(changes []Change) []Change {
	first := map[*tree.Entry]string{}
	for i := range changes {
		c := &changes[i]
		if c.Removed || c.isDir() {
			continue
		}
		file := f.after.entries[c.Path]
		name, ok := first[file]
		switch {
		case !ok:
			first[file] = c.Path
			if c.Entry.Hardlink != "" {
				c.Entry = copyOf(file)
				c.Entry.Path = c.Path
			}
		default:
			c.Entry = &tree.Entry{Path: c.Path, Hardlink: name}
		}
	}
	return changes
}

// copyOf returns a copy of an entry that may be modified.
func copyOf(e *tree.Entry) *tree.Entry {
	c := *e
	return &c
}

// withParents drops unchanged directories without changes below, and the root if it is
// unchanged.
func (f *finder) withParents() []Change {
	needed := make([]bool, len(f.out))
	var stack []int // changes of the directories that the current path is in
	for i, c := range f.out {
		for len(stack) > 0 && !within(f.out[stack[len(stack)-1]].Path, c.Path) {
			stack = stack[:len(stack)-1]
		}
		if !c.Parent {
			needed[i] = true
			for _, k := range stack {
				needed[k] = true
			}
		}
		if c.isDir() {
			stack = append(stack, i)
		}
	}
	out := f.out[:0]
	for i, c := range f.out {
		if needed[i] && (c.Path != "" || !c.Parent) {
			out = append(out, c)
		}
	}
	return out
}

// within reports whether a path is below a directory.
func within(dir, path string) bool {
	return dir == "" || strings.HasPrefix(path, dir+"/")
}
