// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxTree bounds the memory for a tree; each entry counts entryCost besides its
// path: nested directories, which need little space on a disk, would need space
// quadratic in their number here.
const (
	maxTree   = 2 << 30
	entryCost = 256
)

// Tree is the content of the file system, including lost+found. Contents of files
// are read when the Tree's are. If something cannot be read, the Tree has the rest
// and the error is the first reason.
func (f *FS) Tree() (*tree.Tree, error) {
	b := &treeBuilder{f: f, budget: f.blocks, dirs: map[uint32]bool{rootIno: true}}
	root, err := f.record(rootIno)
	if err == nil && root.kind() != tree.Dir {
		err = formatError("the root is not a directory")
	}
	if err != nil {
		return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir}}}, err
	}
	b.add("", root)
	b.walk("", root)
	return b.tree(), b.err
}

type treeBuilder struct {
	f       *FS
	entries []tree.Entry
	inodes  []uint32 // of the entries
	dirs    map[uint32]bool
	budget  int64 // directory blocks to read
	cost    int64 // bytes of memory
	err     error
}

func (b *treeBuilder) note(path string, err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("/%s: %w", path, err)
	}
}

// walk adds the contents of a directory and of everything below it, with a stack
// instead of recursion.
func (b *treeBuilder) walk(path string, n record) {
	type todo struct {
		path string
		n    record
	}
	stack := []todo{{path, n}}
	for len(stack) > 0 && b.cost <= maxTree {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		ents, err := b.f.dirents(top.n, &b.budget)
		b.note(top.path, err)
		seen := make(map[string]bool, len(ents))
		for _, d := range ents {
			if bad := badName(d.name); bad != "" || seen[d.name] {
				b.note(top.path, formatError("the name %q is there twice, or %s", d.name, bad))
				continue
			}
			seen[d.name] = true
			child := d.name
			if top.path != "" {
				child = top.path + "/" + child
			}
			n, err := b.f.record(d.ino)
			if err != nil {
				b.note(child, err)
				continue
			}
			if b.add(child, n) {
				stack = append(stack, todo{child, n})
			}
		}
	}
}

// add adds an entry and reports whether it is a directory to visit.
func (b *treeBuilder) add(path string, n record) bool {
	if b.cost += int64(len(path)) + entryCost; b.cost > maxTree {
		b.note(path, formatError("its tree is too large"))
		return false
	}
	dir := n.kind() == tree.Dir
	if dir && path != "" {
		if b.dirs[n.ino] {
			b.note(path, formatError("directory %d is there twice", n.ino))
			return false
		}
		b.dirs[n.ino] = true
	}
	e, err := b.f.entry(path, n)
	for _, x := range e.Xattrs {
		b.cost += int64(len(x.Value))
	}
	b.note(path, err)
	b.entries, b.inodes = append(b.entries, e), append(b.inodes, n.ino)
	return dir
}

// entry is the entry of an inode. If there is an error, it lacks the parts that
// could not be read.
func (f *FS) entry(path string, n record) (tree.Entry, error) {
	e := tree.Entry{Path: path, Mode: n.mode(), UID: n.uid(), GID: n.gid()}
	e.Mtime, e.MtimeNsec = n.mtime()
	var err error
	switch n.kind() {
	case tree.Regular:
		n.raw = slices.Clone(n.raw) // the block that contains it need not be kept
		c := &data{f, n}
		if e.Size = n.size(); e.Size < 0 {
			e.Size, err = 0, formatError("size %#x", uint64(n.size()))
		}
		if e.Size > 0 {
			e.Data, e.Content = c.ranges(), c
		}
	case tree.Symlink:
		e.Link, err = f.target(n)
	case tree.Char, tree.Block:
		e.Rdev = n.device()
	case tree.Dir, tree.FIFO, tree.Socket:
	default:
		err = formatError("inode %d has the mode %#o", n.ino, n.mode())
	}
	var xerr error
	e.Xattrs, xerr = f.xattrs(n)
	if err == nil {
		err = xerr
	}
	return e, err
}

// tree sorts the entries; of the entries of an inode, all but the first become hard
// links.
func (b *treeBuilder) tree() *tree.Tree {
	order := make([]int, len(b.entries))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return tree.Compare(b.entries[x].Path, b.entries[y].Path) })
	t := &tree.Tree{Entries: make([]tree.Entry, 0, len(order))}
	first := map[uint32]string{}
	for _, i := range order {
		e := b.entries[i]
		if path, ok := first[b.inodes[i]]; ok {
			e = tree.Entry{Path: e.Path, Hardlink: path}
		} else if e.Type() != tree.Dir {
			first[b.inodes[i]] = e.Path
		}
		t.Entries = append(t.Entries, e)
	}
	return t
}
