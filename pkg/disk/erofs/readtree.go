// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxTree bounds the memory for a tree, with entryCost for each entry beside its
// path: about 450000 entries. Until memory is collected, twice as much is taken.
const (
	maxTree   = 1 << 28
	entryCost = 512
	maxWhere  = 4096 // bytes of a path in a message
)

// Tree is what the file system holds. Contents are read when the Tree's are.
// When something cannot be read, the Tree has the rest and the error is the
// first reason.
func (f *FS) Tree() (*tree.Tree, error) {
	b := f.walk(context.Background())
	return b.tree(), b.err
}

// walk reads all directories and inodes, until ctx ends.
func (f *FS) walk(ctx context.Context) *treeBuilder {
	b := &treeBuilder{f: f, block: make([]byte, f.block), unlisted: f.size, seen: map[uint64]bool{}, names: map[uint64]uint32{}}
	b.read = newCache(f, b.pay)
	root, err := b.read.inode(uint64(f.super.RootNid))
	if err == nil && root.entry.Type() != tree.Dir {
		err = formatError("its root is not a directory")
	}
	if err != nil {
		b.note("", err)
		return b
	}
	root.up = root.nid
	b.add(root)
	for len(b.todo) > 0 && b.cost <= maxTree && ctx.Err() == nil {
		dir := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		b.note(dir.entry.Path, b.list(ctx, dir))
	}
	b.note("", ctx.Err())
	return b
}

type treeBuilder struct {
	f     *FS
	read  *cache
	block []byte // of a directory
	found []*found
	todo  []*found
	seen  map[uint64]bool   // directories, by node id
	names map[uint64]uint32 // of each node: how many there are
	cost  int64
	// unlisted is how many bytes of directories are left to be read: no two
	// share any.
	unlisted int64
	err      error
	// problems are all that is wrong, err among it, and what does not keep a
	// tree from being read.
	problems damage.List
}

func (b *treeBuilder) note(path string, err error) {
	if err == nil {
		return
	}
	b.problems.AddError(where(path), err)
	if b.err == nil {
		b.err = fmt.Errorf("%s: %w", where(path), err)
	}
}

// where is a path in messages, of which there are many: a path is as long as its
// directories are deep.
func where(path string) string {
	if len(path) > maxWhere {
		return "/" + path[:maxWhere] + "..."
	}
	return "/" + path
}

// pay counts memory, and says when it is too much.
func (b *treeBuilder) pay(n int64) error {
	if n > maxTree-min(b.cost, maxTree) {
		b.cost = maxTree + 1
		return damage.Unreadf("its tree is too large to be read here")
	}
	b.cost += n
	return nil
}

// add takes an inode over, and a directory to be listed.
func (b *treeBuilder) add(n *found) {
	b.names[n.nid]++
	if n.entry.Type() == tree.Dir {
		if b.seen[n.nid] {
			b.note(n.entry.Path, formatError("the directory is there twice"))
			return
		}
		b.seen[n.nid] = true
		b.todo = append(b.todo, n)
	}
	b.found = append(b.found, n)
}

// list reads a directory. Names ascend, from the first block to the last.
func (b *treeBuilder) list(ctx context.Context, dir *found) error {
	last, dots := "", 0
	for off := int64(0); off < dir.size; off += b.f.block {
		p := b.block[:min(b.f.block, dir.size-off)]
		if b.unlisted -= int64(len(p)); b.unlisted < 0 {
			return formatError("its directories are larger than its %d bytes", b.f.size)
		}
		if err := dir.read(p, off); err != nil {
			return err
		}
		names, err := parseBlock(p)
		if err != nil {
			return err
		}
		for _, x := range names {
			if x.name <= last {
				return formatError("the name %q is out of order", x.name)
			}
			last = x.name
			if x.name == "." || x.name == ".." {
				dots++
				b.dot(dir, x)
				continue
			}
			if err := b.name(ctx, dir, x); err != nil {
				return err
			}
		}
	}
	if dots < 2 {
		b.problems.Add(where(dir.entry.Path), "a directory without . or ..")
	}
	return nil
}

// dot checks . and .., without which a tree can be read.
func (b *treeBuilder) dot(dir *found, x dirent) {
	if want := map[string]uint64{".": dir.nid, "..": dir.up}[x.name]; x.nid != want {
		b.problems.Add(where(dir.entry.Path), "%s is node %d, not %d", x.name, x.nid, want)
	}
}

// name reads the inode of a name.
func (b *treeBuilder) name(ctx context.Context, dir *found, x dirent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := strings.TrimPrefix(dir.entry.Path+"/"+x.name, "/")
	if err := b.pay(entryCost + int64(len(path))); err != nil {
		return err
	}
	n, err := b.read.inode(x.nid)
	if err != nil { // the others may be read
		b.note(path, err)
		return nil
	}
	if x.kind != fileType(n.entry.Mode) {
		b.problems.Add(where(path), "its directory says that it is of type %d, and it is of type %d", x.kind, fileType(n.entry.Mode))
	}
	n.entry.Path = path
	n.up = dir.nid
	b.add(n)
	return nil
}

// dirent is an entry of a directory.
type dirent struct {
	name string
	nid  uint64
	kind uint8
}

// parseBlock reads a block of a directory.
func parseBlock(b []byte) ([]dirent, error) {
	if len(b) < direntSize {
		return nil, formatError("a block of a directory with %d bytes", len(b))
	}
	first := int(le.Uint16(b[8:]))
	if first < direntSize || first%direntSize != 0 || first > len(b) {
		return nil, formatError("names of a directory begin at %d, in a block of %d bytes", first, len(b))
	}
	out := make([]dirent, first/direntSize)
	for i := range out {
		p := b[i*direntSize:]
		from, to := int(le.Uint16(p[8:])), len(b)
		if i < len(out)-1 {
			to = int(le.Uint16(p[direntSize+8:]))
		}
		if from < first || from > to || to > len(b) {
			return nil, formatError("a name of a directory is at %d to %d, in a block of %d bytes", from, to, len(b))
		}
		raw := b[from:to]
		if i == len(out)-1 { // filled with zeros
			if end := bytes.IndexByte(raw, 0); end >= 0 {
				raw = raw[:end]
			}
		}
		x := dirent{string(raw), le.Uint64(p), p[10]}
		if x.name != "." && x.name != ".." && checkName(x.name) != nil || strings.Contains(x.name, "/") {
			return nil, formatError("the name %q is not allowed", x.name)
		}
		out[i] = x
	}
	return out, nil
}

// tree puts everything in order; of several names of a file the first is the
// file.
func (b *treeBuilder) tree() *tree.Tree {
	if len(b.found) == 0 {
		return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}}
	}
	slices.SortFunc(b.found, func(x, y *found) int { return tree.Compare(x.entry.Path, y.entry.Path) })
	t, first := &tree.Tree{Entries: make([]tree.Entry, len(b.found))}, map[uint64]string{}
	for i, n := range b.found {
		if n.entry.Type() != tree.Dir && n.links > 1 {
			if name, ok := first[n.nid]; ok {
				t.Entries[i] = tree.Entry{Path: n.entry.Path, Hardlink: name}
				continue
			}
			first[n.nid] = n.entry.Path
		}
		if n.entry.Type() == tree.Regular && n.size > 0 {
			n.entry.Content = fileContent{n}
		}
		t.Entries[i] = n.entry
	}
	return t
}
