// SPDX-License-Identifier: MPL-2.0

package results

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// TreeRoot is a root file system that is read as a Tree, such as that of an image
// in a registry. id names its content: another content has another id. Close calls
// release.
func TreeRoot(t *tree.Tree, id string, release func() error) *Root {
	return &Root{&treeRoot{t, release}, id}
}

// treeRoot is a root file system in a Tree.
type treeRoot struct {
	tree    *tree.Tree
	release func() error
}

// Close implements system.
func (r *treeRoot) Close() error { return r.release() }

// find looks a name up.
func (r *treeRoot) find(name string) (*tree.Entry, error) {
	e, err := r.tree.Lookup(name)
	switch {
	case err == nil:
		return e, nil
	case !errors.Is(err, fs.ErrNotExist):
		err = ErrLoop
	default:
		err = fs.ErrNotExist
		dir, base := path.Split(path.Clean("/" + name))
		if up, e := r.tree.Lookup(dir); e == nil && slices.Contains(r.tree.Names(up.Path), base) {
			err = ErrDangling
		}
	}
	return nil, &fs.PathError{Op: "find in the stage", Path: name, Err: err}
}

func (r *treeRoot) stat(name string) (node, error) {
	e, err := r.find(name)
	if err != nil {
		return node{}, err
	}
	return nodeOf(e), nil
}

// entry implements system.
func (r *treeRoot) entry(name string, e fs.DirEntry) (node, error) {
	info, err := e.Info()
	if err != nil {
		return node{}, err
	}
	i, ok := info.(treeInfo)
	if !ok {
		return node{}, &fs.PathError{Op: "find in the stage", Path: name, Err: fs.ErrNotExist}
	}
	return nodeOf(i.entry), nil
}

func nodeOf(e *tree.Entry) node {
	return node{path: e.Path, mode: e.Mode, size: e.Size, mtime: modTime(e)}
}

func modTime(e *tree.Entry) time.Time { return time.Unix(e.Mtime, int64(e.MtimeNsec)) }

func (r *treeRoot) open(name string) (Content, node, error) {
	e, err := r.find(name)
	if err != nil {
		return nil, node{}, err
	}
	n := nodeOf(e)
	if !n.isFile() {
		return nil, n, &fs.PathError{Op: "open in the stage", Path: name, Err: ErrKind}
	}
	return &treeFile{io.NewSectionReader(e.Content, 0, e.Size), e}, n, nil
}

func (r *treeRoot) list(name string) ([]fs.DirEntry, error) {
	dir, err := r.find(name)
	if err != nil {
		return nil, err
	}
	if dir.Type() != tree.Dir {
		return nil, &fs.PathError{Op: "list in the stage", Path: name, Err: errors.New("it is not a directory")}
	}
	var out []fs.DirEntry
	for name, e := range r.tree.Children(dir.Path) {
		out = append(out, fs.FileInfoToDirEntry(treeInfo{name, e}))
	}
	return out, nil
}

// treeFile is an open file of a Tree.
type treeFile struct {
	*io.SectionReader
	entry *tree.Entry
}

// Stat implements fs.File.
func (f *treeFile) Stat() (fs.FileInfo, error) { return treeInfo{f.entry.Name(), f.entry}, nil }

// Close implements fs.File.
func (f *treeFile) Close() error { return nil }

// treeInfo is an entry of a Tree as a fs.FileInfo.
type treeInfo struct {
	name  string
	entry *tree.Entry
}

// The methods of fs.FileInfo.
func (i treeInfo) Name() string       { return i.name }
func (i treeInfo) Size() int64        { return i.entry.Size }
func (i treeInfo) ModTime() time.Time { return modTime(i.entry) }
func (i treeInfo) IsDir() bool        { return i.entry.Type() == tree.Dir }
func (i treeInfo) Sys() any           { return nil }

// Mode implements fs.FileInfo.
func (i treeInfo) Mode() fs.FileMode {
	m := fs.FileMode(i.entry.Mode & 0o777)
	switch i.entry.Type() {
	case tree.Regular:
		return m
	case tree.Dir:
		return m | fs.ModeDir
	case tree.Symlink:
		return m | fs.ModeSymlink
	}
	return m | fs.ModeIrregular
}
