// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package confine

import "path/filepath"

// Open looks a path up, and returns a name of what was found without links. Unlike on
// Linux, something else may take its place meanwhile. Errors are those of Check.
func (r *Roots) Open(path string) (name string, done func(), err error) {
	if r == nil {
		return path, func() {}, nil
	}
	abs, err := r.byName(path)
	if err != nil {
		return "", nil, err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", nil, err
	}
	if _, _, ok := inside(r.real, real); !ok {
		return "", nil, &OutsideError{path, true}
	}
	return real, func() {}, nil
}
