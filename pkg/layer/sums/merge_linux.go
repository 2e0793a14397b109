// SPDX-License-Identifier: MPL-2.0

package sums

import (
	"strings"

	"golang.org/x/sys/unix"
)

// Expected is what a mount of a chain of undamaged layers shows: one File after another,
// in the order of tree.Compare.
type Expected struct {
	layers []*Reader // top first
}

// Merge merges the records of a chain of layers, top first, as an overlay merges
// directories.
func Merge(layers []*Reader) *Expected { return &Expected{layers} }

// Next returns the next file and its layer; ok is false at the end.
func (e *Expected) Next() (f File, layer string, ok bool, err error) {
	for {
		top := e.first()
		if top < 0 {
			return File{}, "", false, nil
		}
		r := e.layers[top]
		f, layer = r.cur, r.layer
		if err := r.next(); err != nil {
			return f, layer, false, err
		}
		hides := f.Mode&unix.S_IFMT != unix.S_IFDIR || f.opaque
		for _, low := range e.layers[top+1:] {
			if err := low.skip(f.Path, hides); err != nil {
				return f, layer, false, err
			}
		}
		if !f.whiteout() {
			return f, layer, true, nil
		}
	}
}

// first is the index of the topmost layer that has the next path, -1 at the end.
func (e *Expected) first() int {
	top := -1
	for i, r := range e.layers {
		if r.ok && (top < 0 || Compare(r.cur.Path, e.layers[top].cur.Path) < 0) {
			top = i
		}
	}
	return top
}

// skip skips path, which a layer above has, too, and, with all, everything below it.
func (r *Reader) skip(path string, all bool) error {
	for r.ok {
		at := r.cur.Path
		below := path == "" || strings.HasPrefix(at, path) && len(at) > len(path) && at[len(path)] == '/'
		if at != path && !(all && below) {
			return nil
		}
		if err := r.next(); err != nil {
			return err
		}
	}
	return nil
}

// Compare orders paths as tree.Compare does: a directory before its
// content, names by their bytes.
func Compare(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		switch {
		case a[i] == b[i]:
		case a[i] == '/':
			return -1
		case b[i] == '/':
			return 1
		default:
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}
