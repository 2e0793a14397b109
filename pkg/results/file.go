// SPDX-License-Identifier: MPL-2.0

package results

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Limits of what is looked at: what a stage has may be made to be too much.
const (
	maxFiles = 1 << 20
	maxDepth = 128
)

// File is a regular file of a stage.
type File struct {
	Name    string // among the results: relative, slash-separated, clean
	Size    int64  // bytes
	ModTime time.Time

	root *Root
	path string
	node node
}

// Open opens the file. It is ErrChanged when another file has taken its place
// since it was found.
func (f File) Open() (Content, error) {
	file, n, err := f.root.open(f.path)
	if err != nil {
		return nil, err
	}
	if n != f.node {
		file.Close()
		return nil, &fs.PathError{Op: "open in the stage", Path: f.path, Err: ErrChanged}
	}
	return file, nil
}

// ID is a name of the file's content: equal ids mean equal bytes.
func (f File) ID() string { return f.root.id + ":" + f.path }

// Path is where the file is in its stage.
func (f File) Path() string { return f.path }

func newFile(r *Root, p, name string, n node) File {
	return File{Name: name, Size: n.size, ModTime: n.mtime, root: r, path: p, node: n}
}

// fixed splits a clean pattern into the directory that it names and the
// patterns below that.
func fixed(pattern string) (dir string, rest []string) {
	i := strings.IndexAny(pattern, `*?[\`)
	if i < 0 {
		return pattern, nil
	}
	i = strings.LastIndexByte(pattern[:i], '/')
	return path.Clean("/" + pattern[:i]), strings.Split(pattern[i+1:], "/")
}

func (r *Root) match(dir string, patterns []string) ([]string, error) {
	entries, err := r.list(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		ok, err := path.Match(patterns[0], e.Name())
		switch {
		case err != nil:
			return nil, fmt.Errorf("pattern %q: %w", patterns[0], err)
		case !ok:
		case len(patterns) == 1:
			out = append(out, path.Join(dir, e.Name()))
		case e.IsDir():
			below, err := r.match(path.Join(dir, e.Name()), patterns[1:])
			if err != nil {
				return nil, err
			}
			out = append(out, below...)
		}
		if len(out) > maxFiles {
			return nil, fmt.Errorf("more than %d files match", maxFiles)
		}
	}
	return out, nil
}

// walk calls f for what is below a directory and no directory, in order of
// names; rel is its path below.
func (r *Root) walk(ctx context.Context, dir string, f func(rel string, e fs.DirEntry) error) error {
	return r.walkBelow(ctx, dir, "", 0, f)
}

func (r *Root) walkBelow(ctx context.Context, dir, rel string, depth int, f func(string, fs.DirEntry) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("%s: directories more than %d deep", dir, maxDepth)
	}
	entries, err := r.list(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		below := path.Join(rel, e.Name())
		if e.IsDir() {
			err = r.walkBelow(ctx, path.Join(dir, e.Name()), below, depth+1, f)
		} else {
			err = f(below, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// regular reports whether a directory entry is a regular file.
func regular(e fs.DirEntry) bool { return e.Type().IsRegular() }

func link(e fs.DirEntry) bool { return e.Type()&fs.ModeSymlink != 0 }

// byName sorts files by their names.
func byName(files []File) {
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
}
