// SPDX-License-Identifier: MPL-2.0

// Package confine keeps what a declaration names on this machine within folders: a
// declaration may be a stranger's, and what it names ends up in an image that he gets.
// What is called by a name inside and lies outside, behind links, is outside. It leaves
// out who decides on the folders, and what a mount or a hard link shows inside of them.
package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl/finding"
)

// Roots are the folders that a declaration may read. The nil value allows everything.
type Roots struct {
	named []string // absolute and clean
	real  []string // the same without links
}

// New are the folders, or single files, that are named. One that does not exist is not
// an error: nothing is in it.
func New(paths []string) (*Roots, error) {
	r := &Roots{}
	for _, p := range paths {
		abs, err := filepath.Abs(p)
		if err != nil {
			return nil, err
		}
		r.named = append(r.named, abs)
		real, err := realPath(abs)
		if err != nil {
			return nil, err
		}
		r.real = append(r.real, real)
	}
	return r, nil
}

// realPath is a path without links, as far as it exists.
func realPath(abs string) (string, error) {
	real, err := filepath.EvalSymlinks(abs)
	if up := filepath.Dir(abs); errors.Is(err, fs.ErrNotExist) && up != abs {
		above, err := realPath(up)
		return filepath.Join(above, filepath.Base(abs)), err
	}
	return real, err
}

// OutsideError is about a path that a declaration may not read.
type OutsideError struct {
	Path string // as it was asked for
	Link bool   // its name is inside
}

// Error implements error.
func (e *OutsideError) Error() string {
	if e.Link {
		return fmt.Sprintf("%s leads out of the folders that the declaration may read", e.Path)
	}
	return fmt.Sprintf("%s is outside of the folders that the declaration may read", e.Path)
}

// Remedy says how a path is allowed.
const Remedy = "if you trust the declaration, --confine DIR allows a folder, too, and --confine / everything"

// Finding is the error as a finding about what is named at a place of a declaration.
func (e *OutsideError) Finding(at finding.Span, what string) finding.Finding {
	return finding.Finding{Span: at, Summary: what + ": " + e.Error(), Notes: []finding.Note{{Span: at, Text: Remedy}}}
}

// Is reports whether an error is about a path outside, and returns it.
func Is(err error) (*OutsideError, bool) { return errors.AsType[*OutsideError](err) }

// Check finds out whether a path is inside, links resolved. The error is an
// *OutsideError, or says why the path cannot be looked up. Of what is outside it
// never tells whether it exists.
func (r *Roots) Check(path string) error {
	_, done, err := r.Open(path)
	if err == nil {
		done()
	}
	return err
}

// inside returns the root that an absolute path is in by its name, and the rest of it.
func inside(roots []string, path string) (root, rel string, ok bool) {
	for _, root := range roots {
		if rel, err := filepath.Rel(root, path); err == nil && filepath.IsLocal(rel) {
			return root, rel, true
		}
	}
	return "", "", false
}

// byName is the absolute form of a path, which is an *OutsideError by its name alone.
func (r *Roots) byName(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if strings.ContainsRune(abs, 0) {
		return "", &OutsideError{Path: path}
	}
	if _, _, ok := inside(r.named, abs); ok {
		return abs, nil
	}
	if _, _, ok := inside(r.real, abs); ok {
		return abs, nil
	}
	return "", &OutsideError{Path: path}
}
