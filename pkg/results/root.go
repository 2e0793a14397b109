// SPDX-License-Identifier: MPL-2.0

// Package results finds the files of a stage that people want to have:
// artifacts, package feeds, logs of bitbake. It opens them without ever leaving
// the stage, and writes them into a directory without ever leaving that. The root
// file system of a stage is a directory or a tree.Tree; who mounts or reads it is
// the caller's affair.
package results

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"time"
)

// Why a name of a stage cannot be had.
var (
	ErrLoop     = errors.New("its symbolic links form a loop")
	ErrDangling = errors.New("it is a link to a file that the stage does not have")
	ErrLeadsOut = errors.New("it leads out of the stage")
	ErrKind     = errors.New("it is not a regular file")
	ErrChanged  = errors.New("it has changed")
)

// Types of files as a node's mode has them, inode(7).
const (
	typeMask    = 0o170000
	regularFile = 0o100000
	directory   = 0o040000
)

// Root is the root file system of a stage. All names are resolved in it, wherever
// links point. Its methods may be called concurrently.
type Root struct {
	system
	id string
}

// system is where the files of a root are: in a directory or in a tree.Tree.
type system interface {
	// stat describes the file that a name leads to.
	stat(name string) (node, error)
	// entry describes what list has returned, under its whole name.
	entry(name string, e fs.DirEntry) (node, error)
	// open opens a regular file for reading.
	open(name string) (Content, node, error)
	// list returns the entries of a directory, sorted by name.
	list(name string) ([]fs.DirEntry, error)
	// Close ends the use of the root.
	Close() error
}

// Content is an open file. Of a stage in a directory it is an *os.File, which the
// kernel can send to a client by itself.
type Content interface {
	fs.File
	io.ReaderAt
	io.Seeker
}

// node is what a name leads to.
type node struct {
	dev, ino uint64
	path     string // in a tree, whose files have no numbers
	mode     uint32
	size     int64
	mtime    time.Time
}

func (n node) isFile() bool { return n.mode&typeMask == regularFile }
func (n node) isDir() bool  { return n.mode&typeMask == directory }

// Open opens what a name leads to, which must be a regular file.
func (r *Root) Open(name string) (Content, error) {
	f, _, err := r.open(name)
	return f, err
}

// OpenFile opens a regular file of the host for reading, and nothing that a
// link leads to.
func OpenFile(name string) (*os.File, os.FileInfo, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|untouched, 0)
	if err != nil {
		return nil, nil, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrKind}
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, st, nil
}

// isDir reports whether a name leads to a directory.
func (r *Root) isDir(name string) bool {
	n, err := r.stat(name)
	return err == nil && n.isDir()
}

// glob returns the paths that match a pattern of path.Match, in order. The
// part before the first special character is looked up, links included; in
// the rest, directories must be directories.
func (r *Root) glob(pattern string) ([]string, error) {
	pattern = path.Clean("/" + pattern)
	dir, rest := fixed(pattern)
	if len(rest) == 0 {
		_, err := r.stat(pattern)
		return []string{pattern}, err
	}
	out, err := r.match(dir, rest)
	if err == nil && len(out) == 0 {
		err = &fs.PathError{Op: "match in the stage", Path: pattern, Err: fs.ErrNotExist}
	}
	return out, err
}
