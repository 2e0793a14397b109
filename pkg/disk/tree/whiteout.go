// SPDX-License-Identifier: MPL-2.0

package tree

import (
	"archive/tar"
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
)

// Names of image-spec layer.md, "Whiteouts".
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
	whiteoutMeta   = ".wh..wh."
)

const maxWhiteout = 16 << 20 // bytes in a whiteout

// whiteout hides a name of the layers below or, if opaque, all names in a
// directory. It never hides what its own layer contains, and its path is that of
// the layers below: links of its own layer do not apply.
type whiteout struct {
	path   string
	opaque bool
}

// whiteout notes a member that is one. Its effect depends on everything in the
// layer, in whatever order the members are.
func (u *unpacker) whiteout(h *tar.Header, dir, base string) error {
	name := strings.TrimPrefix(base, whiteoutPrefix)
	w := whiteout{join(dir, name), false}
	switch {
	case base == whiteoutOpaque && dir == "":
		u.hidesAll = true
		return nil
	case base == whiteoutOpaque:
		w = whiteout{dir, true}
	case strings.HasPrefix(base, whiteoutMeta):
		return nil // bookkeeping of aufs
	case name == "" || name == "." || name == "..":
		return errors.New("a whiteout without a name")
	}
	if _, ok := u.hides[w]; !ok {
		u.hides[w] = h.ModTime.UnixNano()
	}
	return u.count()
}

// applyWhiteouts applies the whiteouts, those of directories before those of their
// contents.
func (u *unpacker) applyWhiteouts() error {
	for _, w := range slices.SortedFunc(maps.Keys(u.hides), compareWhiteouts) {
		dir, _ := split(w.path)
		if w.opaque {
			dir = w.path
		}
		if !u.reaches(dir) {
			continue
		}
		if _, err := u.makeDirs(dir, u.hides[w]); err != nil {
			return err
		}
		f := u.files[w.path]
		switch {
		case f == nil:
			u.files[w.path] = &member{path: w.path}
		case f.node.kind() == Dir:
			f.hidesAll = true
		}
	}
	return u.count()
}

func compareWhiteouts(a, b whiteout) int {
	if a.path == b.path && a.opaque != b.opaque {
		if a.opaque {
			return 1
		}
		return -1
	}
	return cmp.Compare(a.path, b.path)
}

// reaches reports whether a whiteout can be in a directory: neither the layer nor
// those below, unless it hides them, have another file there.
func (u *unpacker) reaches(dir string) bool {
	hidden := u.hidesAll
	for p := range prefixes(dir) {
		f := u.files[p]
		if f == nil {
			return hidden || !u.below.blocks(dir)
		}
		if f.node == nil || f.node.kind() != Dir {
			return false
		}
		hidden = hidden || f.hidesAll
	}
	return true
}

// blocks reports whether a file that is not a directory is in the way of a path.
func (m *merger) blocks(dir string) bool {
	for p := range prefixes(dir) {
		f := m.find(p)
		if f == nil {
			return false
		}
		if f.node.kind() != Dir {
			return true
		}
	}
	return false
}

// hidden reports whether what the layer has so far hides what those below have at a
// path.
func (u *unpacker) hidden(rel string) bool {
	if u.hidesAll {
		return true
	}
	for p := range prefixes(rel) {
		if f := u.files[p]; f != nil && f.node.kind() != Dir {
			return true
		}
		_, gone := u.hides[whiteout{p, false}]
		_, opaque := u.hides[whiteout{p, true}]
		if gone || opaque && p != rel {
			return true
		}
	}
	return false
}

// prefixes are the paths of the directories above a path, from the top, and the
// path itself; none for the root.
func prefixes(rel string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for i := 1; i <= len(rel); i++ {
			if (i == len(rel) || rel[i] == '/') && !yield(rel[:i]) {
				return
			}
		}
	}
}
