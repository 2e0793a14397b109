// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package initrd

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxLinks bounds the symbolic links that one lookup follows, as in Linux.
const maxLinks = 40

// lookup finds entries of a tree by path.
type lookup struct {
	entries  map[string]*tree.Entry
	children map[string][]string
}

func newLookup(t *tree.Tree) *lookup {
	l := &lookup{entries: make(map[string]*tree.Entry, len(t.Entries)), children: map[string][]string{}}
	for i := range t.Entries {
		e := &t.Entries[i]
		l.entries[e.Path] = e
		if e.Path != "" {
			l.children[e.Parent()] = append(l.children[e.Parent()], e.Name())
		}
	}
	return l
}

// find follows symbolic links, which never leave the tree, and hard links.
func (l *lookup) find(name string) (*tree.Entry, bool) {
	todo := strings.Split(name, "/")
	at, links := "", 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = parent(at)
			continue
		}
		next := path.Join(at, part)
		e, ok := l.entries[next]
		if !ok {
			return nil, false
		}
		if e.Type() != tree.Symlink || e.Hardlink != "" {
			at = next
			continue
		}
		if links++; links > maxLinks {
			return nil, false
		}
		if strings.HasPrefix(e.Link, "/") {
			at = ""
		}
		todo = append(strings.Split(e.Link, "/"), todo...)
	}
	e, ok := l.entries[at]
	if ok && e.Hardlink != "" {
		e, ok = l.entries[e.Hardlink]
	}
	return e, ok
}

func parent(p string) string {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i]
	}
	return ""
}

// list is the names in a directory, sorted.
func (l *lookup) list(dir string) []string {
	e, ok := l.find(dir)
	if !ok {
		return nil
	}
	return slices.Sorted(slices.Values(l.children[e.Path]))
}

// text reads a file that may be missing.
func (l *lookup) text(name string) (string, bool, error) {
	e, ok := l.find(name)
	if !ok || e.Type() != tree.Regular {
		return "", false, nil
	}
	b, err := read(e)
	return string(b), true, err
}

// maxFile bounds what is read into memory; modules and busybox are far below.
const maxFile = 256 << 20

func read(e *tree.Entry) ([]byte, error) {
	if e.Size > maxFile || e.Size < 0 {
		return nil, fmt.Errorf("/%s has %d bytes, too many for an initrd", e.Path, e.Size)
	}
	if e.Size == 0 {
		return nil, nil
	}
	b := make([]byte, e.Size)
	if n, err := e.Content.ReadAt(b, 0); int64(n) < e.Size {
		return nil, fmt.Errorf("read /%s: %d of %d bytes: %w", e.Path, n, e.Size, orUnexpectedEOF(err))
	}
	return b, nil
}

func orUnexpectedEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
