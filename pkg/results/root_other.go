// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// dirRoot is a root file system in a directory. All names are resolved in it;
// unlike on Linux, a link with an absolute target leads out of it.
type dirRoot struct{ dir *os.Root }

// OpenRoot opens the directory dir as a root. id names what is in it, such as
// the id of its top layer: another content has another id.
func OpenRoot(dir, id string) (*Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open stage: %w", err)
	}
	return &Root{&dirRoot{root}, id}, nil
}

// Close implements system.
func (r *dirRoot) Close() error { return r.dir.Close() }

// local is a name of the stage as one below its root.
func local(name string) string {
	if name = strings.TrimLeft(name, "/"); name == "" {
		return "."
	}
	return name
}

// stat says what a name leads to.
func (r *dirRoot) stat(name string) (node, error) {
	st, err := r.dir.Stat(local(name))
	if err != nil {
		return node{}, r.explain(name, err)
	}
	return nodeOfInfo(st), nil
}

// entry says what has a name.
func (r *dirRoot) entry(name string, _ fs.DirEntry) (node, error) {
	st, err := r.dir.Lstat(local(name))
	if err != nil {
		return node{}, r.explain(name, err)
	}
	n := nodeOfInfo(st)
	n.path = name // its number is not known
	return n, nil
}

func nodeOfInfo(st fs.FileInfo) node {
	n := node{mode: uint32(st.Mode().Perm()), size: st.Size(), mtime: st.ModTime()}
	switch {
	case st.Mode().IsRegular():
		n.mode |= regularFile
	case st.IsDir():
		n.mode |= directory
	}
	return n
}

// explain turns what the system says into what it means.
func (r *dirRoot) explain(name string, err error) error {
	if l, e := r.dir.Lstat(local(name)); e == nil && l.Mode().Type() == fs.ModeSymlink {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrDangling
		} else {
			err = ErrLeadsOut
		}
	}
	return &fs.PathError{Op: "find in the stage", Path: name, Err: err}
}

// open opens a regular file for reading.
func (r *dirRoot) open(name string) (Content, node, error) {
	n, err := r.stat(name)
	if err != nil {
		return nil, n, err
	}
	if !n.isFile() {
		return nil, n, &fs.PathError{Op: "open in the stage", Path: name, Err: ErrKind}
	}
	f, err := r.dir.Open(local(name))
	return f, n, err
}

// list returns what is in a directory, sorted by name.
func (r *dirRoot) list(name string) ([]fs.DirEntry, error) {
	f, err := r.dir.Open(local(name))
	if err != nil {
		return nil, r.explain(name, err)
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}
