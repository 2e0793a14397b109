// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
)

// maxLinks bounds how many symbolic links a lookup follows, as in the kernel.
const maxLinks = 40

// Lookup finds the entry to which a path leads; symbolic links are followed only
// inside the Tree, with its root as "/". The last component is followed, too. A
// hard link leads to its file.
func (t *Tree) Lookup(name string) (*Entry, error) {
	at, rest, links := "", strings.Split(path.Clean("/"+name), "/"), 0
	for len(rest) > 0 {
		c := rest[0]
		rest = rest[1:]
		switch c {
		case "", ".":
			continue
		case "..":
			up := Entry{Path: at}
			at = up.Parent()
			continue
		}
		next := strings.TrimPrefix(at+"/"+c, "/")
		e, err := t.at(name, next)
		if err != nil {
			return nil, err
		}
		if e.Type() != Symlink {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, &fs.PathError{Op: "look up", Path: name, Err: fmt.Errorf("more than %d links", maxLinks)}
		}
		if strings.HasPrefix(e.Link, "/") {
			at = ""
		}
		rest = append(strings.Split(e.Link, "/"), rest...)
	}
	return t.at(name, at)
}

func (t *Tree) at(name, p string) (*Entry, error) {
	i, ok := t.find(p)
	if !ok {
		return nil, &fs.PathError{Op: "look up", Path: name, Err: fs.ErrNotExist}
	}
	if h := t.Entries[i].Hardlink; h != "" {
		if i, ok = t.find(h); !ok {
			return nil, &fs.PathError{Op: "look up", Path: name, Err: fs.ErrNotExist}
		}
	}
	return &t.Entries[i], nil
}

// Glob returns the sorted paths that match a pattern of path.Match. The part before
// the first special character is looked up, including links.
func (t *Tree) Glob(pattern string) ([]string, error) {
	pattern = path.Clean("/" + pattern)
	dir, rest := pattern, ""
	if i := strings.IndexAny(pattern, "*?[\\"); i >= 0 {
		i = strings.LastIndexByte(pattern[:i], '/')
		dir, rest = pattern[:i], pattern[i+1:]
	}
	e, err := t.Lookup(dir)
	if err != nil {
		return nil, err
	}
	if rest == "" {
		return []string{strings.TrimPrefix(pattern, "/")}, nil
	}
	prefix := e.Path
	if prefix != "" {
		prefix += "/"
	}
	start, _ := t.find(e.Path)
	var out []string
	for _, x := range t.Entries[start:] {
		if x.Path != e.Path && !strings.HasPrefix(x.Path, prefix) {
			break
		}
		ok, err := path.Match(rest, strings.TrimPrefix(x.Path, prefix))
		if err != nil {
			return nil, fmt.Errorf("pattern %q: %w", pattern, err)
		}
		if ok && x.Path != e.Path {
			out = append(out, x.Path)
		}
	}
	if len(out) == 0 {
		return nil, &fs.PathError{Op: "match", Path: pattern, Err: fs.ErrNotExist}
	}
	return out, nil
}

// Names are the sorted names in the directory of exactly that path.
func (t *Tree) Names(dir string) []string {
	var out []string
	for name := range t.Children(dir) {
		out = append(out, name)
	}
	return out
}

// Children are the sorted names and the entries in the directory of exactly that
// path. The entry of a hard link is that of its file.
func (t *Tree) Children(dir string) iter.Seq2[string, *Entry] {
	return func(yield func(string, *Entry) bool) {
		start, ok := t.find(dir)
		if !ok {
			return
		}
		prefix := dir + "/"
		if dir == "" {
			prefix = ""
		}
		for _, e := range t.Entries[start+1:] {
			name, ok := strings.CutPrefix(e.Path, prefix)
			if !ok {
				return
			}
			if strings.Contains(name, "/") {
				continue
			}
			if child, err := t.at(e.Path, e.Path); err == nil && !yield(name, child) {
				return
			}
		}
	}
}
