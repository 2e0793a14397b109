// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"maps"
	"slices"
	"strings"
)

// WithXattrs is the Tree with additional extended attributes, by the paths of the
// files. A path that does not exist is ignored; a hard link stands for its file.
func (t *Tree) WithXattrs(add map[string][]Xattr) *Tree {
	if len(add) == 0 {
		return t
	}
	out := &Tree{Entries: slices.Clone(t.Entries)}
	done := map[int]bool{} // a file is reached by each of its names
	for _, p := range slices.Sorted(maps.Keys(add)) {
		i, ok := t.find(p)
		if ok && t.Entries[i].Hardlink != "" {
			i, ok = t.find(t.Entries[i].Hardlink)
		}
		if !ok || done[i] {
			continue
		}
		done[i] = true
		e := &out.Entries[i]
		e.Xattrs = append(slices.Clone(e.Xattrs), add[p]...)
		slices.SortFunc(e.Xattrs, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	}
	return out
}

// WithoutXattrs is the Tree without the extended attributes that a file system
// cannot hold, and the paths of the files that had one, by its name. If an access
// control list is removed, the mode's group bits become the group's permissions in
// the list: with a list, these bits are the maximum for everybody named in it.
func (t *Tree) WithoutXattrs(holds func(name string) bool) (*Tree, map[string][]string) {
	lost := map[string][]string{}
	out := t
	for i, e := range t.Entries {
		goes := func(x Xattr) bool { return !holds(x.Name) }
		if !slices.ContainsFunc(e.Xattrs, goes) {
			continue
		}
		if out == t {
			out = &Tree{Entries: slices.Clone(t.Entries)}
		}
		for _, x := range e.Xattrs {
			if !goes(x) {
				continue
			}
			lost[x.Name] = append(lost[x.Name], e.Path)
			if group, ok := groupOf(x); ok {
				e.Mode = e.Mode&^0o070 | group<<3
			}
		}
		e.Xattrs = slices.DeleteFunc(slices.Clone(e.Xattrs), goes)
		out.Entries[i] = e
	}
	return out, lost
}
