// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package layer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Expected is what a mount of a chain of layers shows if it is what was
// stored: one FileSum after another, in the order of tree.Compare.
type Expected struct {
	layers []*sumsReader // top first
}

// Expect reads what was recorded of a chain of layers. A layer without a record,
// such as one of podman's, is read once as a whole, checked against its
// digest, and recorded.
func (s *Store) Expect(ctx context.Context, id string) (*Expected, error) {
	chain, err := s.Chain(id)
	if err != nil {
		return nil, err
	}
	e := &Expected{}
	for _, l := range slices.Backward(chain) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := s.readSums(l.ID)
		if errors.Is(err, errNoSums) {
			if err = s.record(l); err == nil {
				r, err = s.readSums(l.ID)
			}
		}
		if err != nil {
			return nil, err
		}
		e.layers = append(e.layers, r)
	}
	return e, nil
}

// record makes the missing record of a layer.
func (s *Store) record(l Layer) error {
	known := crcs{}
	if err := s.writeSummed(l, known); err != nil {
		return err
	}
	return s.writeSums(l.ID, s.diffDir(l.ID), known)
}

// Next is the next file and the layer that it is of; ok is false at the end.
func (e *Expected) Next() (f FileSum, layer string, ok bool, err error) {
	for {
		top := e.first()
		if top < 0 {
			return FileSum{}, "", false, nil
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

// first is the topmost of the layers that have the next path, -1 at the end.
func (e *Expected) first() int {
	top := -1
	for i, r := range e.layers {
		if r.ok && (top < 0 || comparePaths(r.cur.Path, e.layers[top].cur.Path) < 0) {
			top = i
		}
	}
	return top
}

// skip goes over path, which a layer above has too, and with all over what is
// below it.
func (r *sumsReader) skip(path string, all bool) error {
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

// comparePaths orders paths as tree.Compare does: a directory before its
// content, names by their bytes.
func comparePaths(a, b string) int {
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

// maxNamed is how many damages of a layer an error names.
const maxNamed = 5

// FindDamage says which layers of a chain are not what was recorded, as far as
// that shows without reading contents. It is for a chain whose mount was not as
// expected: an error comes back in any case.
func (s *Store) FindDamage(id, path, what string) error {
	chain, err := s.Chain(id)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range chain {
		if st, err := os.Stat(s.diffDir(l.ID)); err != nil || !st.IsDir() {
			errs = append(errs, &DamageError{l.ID, "", "its files are missing"})
			continue
		}
		found, err := s.checkFiles(l.ID, maxNamed)
		if err != nil {
			return fmt.Errorf("look for what is damaged: %w", err)
		}
		for _, d := range found {
			errs = append(errs, d)
		}
	}
	if len(errs) == 0 {
		return &DamageError{id, path, what}
	}
	return errors.Join(errs...)
}
