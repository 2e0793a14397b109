// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"fmt"
	"slices"
	"strings"
)

// Builder assembles a Tree from entries of others.
type Builder struct {
	entries []Entry
	at      map[string]int // index of each path in entries
	mtime   int64
}

// NewBuilder starts with a root directory of mode 0755 and that time, in seconds
// since 1970; directories that Add has to make get the same.
func NewBuilder(mtime int64) *Builder {
	return &Builder{entries: []Entry{{Mode: Dir | 0o755, Mtime: mtime}}, at: map[string]int{"": 0}, mtime: mtime}
}

// find is the entry of that path, or nil.
func (b *Builder) find(path string) *Entry {
	if i, ok := b.at[path]; ok {
		return &b.entries[i]
	}
	return nil
}

func (b *Builder) put(e Entry) {
	if old := b.find(e.Path); old != nil {
		*old = e
		return
	}
	b.at[e.Path] = len(b.entries)
	b.entries = append(b.entries, e)
}

// Add puts an entry at its path, replacing what was there. Symbolic links on the
// way are followed inside the tree, and missing directories are made, also at the
// target of a link. If there is a link with the name of a directory, the directory
// goes to the link's target. Another file on the way is an error, and so is
// replacing a directory that is not empty by another file.
func (b *Builder) Add(e Entry) error {
	e.Path = strings.Trim(e.Path, "/")
	var err error
	if e.Type() == Dir && e.Hardlink == "" && e.Path != "" {
		if e.Path, err = b.directory(e.Path); err != nil {
			return err
		}
		b.put(e)
		return nil
	}
	if e.Path, err = b.place(e.Path); err != nil {
		return err
	}
	if e.Hardlink != "" {
		if e.Hardlink, err = b.place(e.Hardlink); err != nil {
			return err
		}
	}
	if old := b.find(e.Path); old != nil && old.Type() == Dir && e.Type() != Dir && b.filled(e.Path) {
		return fmt.Errorf("/%s is a directory with content", e.Path)
	}
	b.put(e)
	return nil
}

// place is a name in the directory to which its path leads.
func (b *Builder) place(p string) (string, error) {
	if p == "" {
		return "", nil
	}
	dir, base := split(p)
	dir, err := b.directory(dir)
	return join(dir, base), err
}

// directory is the path, without links, of a directory, which is made if it does
// not exist.
func (b *Builder) directory(dir string) (string, error) {
	if old := b.find(dir); old != nil && old.Type() == Dir {
		return dir, nil
	}
	loop := fmt.Errorf("/%s: symbolic links form a loop", dir)
	return follow(dir, loop, func(at string) (string, bool, error) {
		old := b.find(at)
		if old != nil && old.Hardlink != "" {
			old = b.find(old.Hardlink)
		}
		switch {
		case old == nil:
			b.put(Entry{Path: at, Mode: Dir | 0o755, Mtime: b.mtime})
		case old.Type() == Symlink:
			return old.Link, true, nil
		case old.Type() != Dir:
			return "", false, fmt.Errorf("/%s leads through /%s, which is not a directory", dir, at)
		}
		return "", false, nil
	})
}

func (b *Builder) filled(dir string) bool {
	for i := range b.entries {
		if strings.HasPrefix(b.entries[i].Path, dir+"/") {
			return true
		}
	}
	return false
}

// AddTree puts a whole Tree below the directory at. Its root gives that directory
// its attributes.
func (b *Builder) AddTree(at string, t *Tree) error {
	at = strings.Trim(at, "/")
	b.entries = slices.Grow(b.entries, len(t.Entries))
	place := func(p string) string {
		if at == "" {
			return p
		}
		return strings.Trim(at+"/"+p, "/")
	}
	for _, e := range t.Entries {
		e.Path = place(e.Path)
		if e.Hardlink != "" {
			e.Hardlink = place(e.Hardlink)
		}
		if err := b.Add(e); err != nil {
			return err
		}
	}
	return nil
}

// Tree is the result, sorted; nothing can be added afterwards. A hard link whose
// file was replaced or comes later in order is an error.
func (b *Builder) Tree() (*Tree, error) {
	t := &Tree{Entries: b.entries}
	b.entries, b.at = nil, nil
	slices.SortFunc(t.Entries, func(a, b Entry) int { return Compare(a.Path, b.Path) })
	for _, e := range t.Entries {
		if e.Hardlink == "" {
			continue
		}
		i, ok := t.find(e.Hardlink)
		if to := &t.Entries[min(i, len(t.Entries)-1)]; !ok || to.Hardlink != "" || to.Type() == Dir || Compare(to.Path, e.Path) >= 0 {
			return nil, fmt.Errorf("/%s is a hard link to /%s, which is not there", e.Path, e.Hardlink)
		}
	}
	return t, nil
}

// Sub is the content of the directory dir, as a Tree of its own. A hard link whose
// first name is outside becomes the file, and later ones become links to it.
func (t *Tree) Sub(dir string) (*Tree, error) {
	dir = strings.Trim(dir, "/")
	if dir == "" {
		return t, nil
	}
	i, ok := t.find(dir)
	if !ok || t.Entries[i].Type() != Dir {
		return nil, fmt.Errorf("/%s is not a directory", dir)
	}
	out := &Tree{}
	moved := map[string]string{} // first name in t -> first name in out
	for _, e := range t.Entries[i:] {
		if e.Path != dir && !strings.HasPrefix(e.Path, dir+"/") {
			break
		}
		name := strings.TrimPrefix(strings.TrimPrefix(e.Path, dir), "/")
		first := e.Path
		if e.Hardlink != "" {
			first = e.Hardlink
			if to, ok := moved[first]; ok {
				out.Entries = append(out.Entries, Entry{Path: name, Hardlink: to})
				continue
			}
			j, ok := t.find(first)
			if !ok {
				return nil, fmt.Errorf("/%s is a hard link to /%s, which is not there", e.Path, first)
			}
			e = t.Entries[j]
		}
		moved[first] = name
		e.Path = name
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

// Without is the Tree without the content of the directories; the directories stay
// as mount points.
func (t *Tree) Without(dirs []string) (*Tree, error) {
	if len(dirs) == 0 {
		return t, nil
	}
	inside := func(p string) bool {
		return slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(p, strings.Trim(d, "/")+"/") })
	}
	out := &Tree{Entries: make([]Entry, 0, len(t.Entries))}
	moved := map[string]string{}
	for _, e := range t.Entries {
		if inside(e.Path) {
			continue
		}
		if e.Hardlink != "" && inside(e.Hardlink) {
			if to, ok := moved[e.Hardlink]; ok {
				e.Hardlink = to
			} else {
				j, ok := t.find(e.Hardlink)
				if !ok {
					return nil, fmt.Errorf("/%s is a hard link to /%s, which is not there", e.Path, e.Hardlink)
				}
				moved[e.Hardlink] = e.Path
				name := e.Path
				e = t.Entries[j]
				e.Path = name
			}
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

// With is the Tree with additional nodes, which are neither directories nor links.
// What was in their places is removed, with everything below it; a hard link whose
// first name is removed becomes the file.
func (t *Tree) With(nodes []Entry) *Tree {
	if len(nodes) == 0 {
		return t
	}
	put := map[string]bool{}
	for _, n := range nodes {
		put[n.Path] = true
	}
	rest := t.Drop(put)
	out := &Tree{Entries: append(append(make([]Entry, 0, len(t.Entries)+len(nodes)), nodes...), rest.Entries...)}
	slices.SortFunc(out.Entries, func(a, b Entry) int { return Compare(a.Path, b.Path) })
	return out
}

// find is the index of the entry of that path.
func (t *Tree) find(path string) (int, bool) {
	return slices.BinarySearchFunc(t.Entries, path, func(e Entry, p string) int { return Compare(e.Path, p) })
}

// Newest is the latest time in the Tree, in seconds since 1970.
func (t *Tree) Newest() int64 {
	var newest int64
	for _, e := range t.Entries {
		newest = max(newest, e.Mtime)
	}
	return newest
}
