// SPDX-License-Identifier: MPL-2.0

package rofs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// entryCost is the memory for an entry besides its path, in bytes.
const entryCost = 512

// MaxWhere is the maximum length of a path in a message, in bytes.
const MaxWhere = 4096

// Inode is what every reader knows about an inode; it is embedded by the readers'
// types.
type Inode struct {
	Entry tree.Entry
	ID    uint64 // of the inode
	Links uint32
}

func (n *Inode) base() *Inode { return n }

// Node is a pointer to a reader's type of inode.
type Node interface{ base() *Inode }

// Limits bound what a walk keeps in memory, in bytes. Until garbage is collected,
// twice as much may be used.
type Limits struct {
	Tree  int64 // 512 for each entry, its path, and what the reader counts besides
	Paths int64 // for the paths alone, which may be much longer than the file system that they are in
}

// Walk collects the inodes of a file system, directory by directory.
type Walk[N Node] struct {
	Found []N
	Err   error // the first one
	// Note, unless nil, is called with every error, and the path that it is about.
	Note func(path string, err error)
	// Twice is the error for a directory that is in two others.
	Twice error

	limits      Limits
	todo        []N
	seen        map[uint64]bool // directories
	cost, paths int64
	full        bool
}

// NewWalk returns a walk that has found nothing yet.
func NewWalk[N Node](l Limits) *Walk[N] { return &Walk[N]{limits: l, seen: map[uint64]bool{}} }

// Run lists the root directory and everything below it, until ctx ends or a limit
// is reached. list calls Add for each inode of a directory.
func (w *Walk[N]) Run(ctx context.Context, root N, list func(ctx context.Context, dir N) error) {
	w.Add(root)
	for len(w.todo) > 0 && !w.full && ctx.Err() == nil {
		dir := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.Fail(dir.base().Entry.Path, list(ctx, dir))
	}
	w.Fail("", ctx.Err())
}

// Add adds an inode and, if it is a directory, lists it later.
func (w *Walk[N]) Add(n N) {
	b := n.base()
	if b.Entry.Type() == tree.Dir {
		if w.seen[b.ID] {
			w.Fail(b.Entry.Path, w.Twice)
			return
		}
		w.seen[b.ID] = true
		w.todo = append(w.todo, n)
	}
	w.Found = append(w.Found, n)
}

// Path is the path of a name in a directory. It counts the entry.
func (w *Walk[N]) Path(dir N, name string) (string, error) {
	path := strings.TrimPrefix(dir.base().Entry.Path+"/"+name, "/")
	if w.paths += int64(len(path)); w.paths > w.limits.Paths {
		return "", w.tooLarge()
	}
	return path, w.Pay(entryCost + int64(len(path)))
}

// Pay counts memory, in bytes, and fails if it is too much.
func (w *Walk[N]) Pay(n int64) error {
	if w.full || n > w.limits.Tree-w.cost {
		return w.tooLarge()
	}
	w.cost += n
	return nil
}

func (w *Walk[N]) tooLarge() error {
	w.full = true
	return damage.Unreadf("its tree is too large to be read here")
}

// Cost is the memory that was counted, in bytes.
func (w *Walk[N]) Cost() int64 { return w.cost }

// Fail notes an error; nil is ignored.
func (w *Walk[N]) Fail(path string, err error) {
	if err == nil {
		return
	}
	if w.Note != nil {
		w.Note(path, err)
	}
	if w.Err == nil {
		w.Err = fmt.Errorf("%s: %w", Where(path), err)
	}
}

// Tree sorts everything; of several names of a file the first is the file. content
// sets the content of files that are not empty. If no root was found, there is an
// empty one.
func (w *Walk[N]) Tree(content func(N)) *tree.Tree {
	if len(w.Found) == 0 {
		return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}}
	}
	slices.SortFunc(w.Found, func(x, y N) int { return tree.Compare(x.base().Entry.Path, y.base().Entry.Path) })
	t, first := &tree.Tree{Entries: make([]tree.Entry, len(w.Found))}, map[uint64]string{}
	for i, found := range w.Found {
		n := found.base()
		if n.Entry.Type() != tree.Dir && n.Links > 1 {
			if name, ok := first[n.ID]; ok {
				t.Entries[i] = tree.Entry{Path: n.Entry.Path, Hardlink: name}
				continue
			}
			first[n.ID] = n.Entry.Path
		}
		if n.Entry.Type() == tree.Regular && n.Entry.Size > 0 {
			content(found)
		}
		t.Entries[i] = n.Entry
	}
	return t
}

// Where shortens a path for messages. Paths may be long, and there may be many
// messages.
func Where(path string) string {
	if len(path) > MaxWhere {
		return "/" + path[:MaxWhere] + "..."
	}
	return "/" + path
}

// ReadAt reads n bytes at off of a file system of size bytes; format makes the
// error for a range beyond its end.
func ReadAt(r io.ReaderAt, off, n, size int64, format func(format string, args ...any) error) ([]byte, error) {
	if off < 0 || n < 0 || off > size-n {
		return nil, format("%d bytes at %d are behind its %d", n, off, size)
	}
	b := make([]byte, n)
	if k, err := r.ReadAt(b, off); k < len(b) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("read at %d: %w", off, err)
	}
	return b, nil
}
