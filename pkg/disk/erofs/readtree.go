// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"bytes"
	"context"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// limits are about two million entries, and a quarter of the memory for paths:
// nested directories with long names have paths that are much longer than the file
// system.
func limits() rofs.Limits { return rofs.Limits{Tree: 1 << 30, Paths: 1 << 28} }

// Tree is the content of the file system. Contents of files are read when the
// Tree's are. If something cannot be read, the Tree has the rest and the error is
// the first reason.
func (f *FS) Tree() (*tree.Tree, error) {
	b := f.walk(context.Background())
	return b.Tree(func(n *found) { n.Entry.Content = fileContent{n} }), b.Err
}

// walk reads all directories and inodes, until ctx ends.
func (f *FS) walk(ctx context.Context) *treeBuilder {
	b := &treeBuilder{Walk: rofs.NewWalk[*found](limits()), f: f, block: make([]byte, f.block), unlisted: f.size, names: map[uint64]uint32{}}
	b.Twice = formatError("the directory is there twice")
	b.Note = func(path string, err error) { b.problems.AddError(rofs.Where(path), err) }
	b.read = newCache(f, b.Pay)
	root, err := b.read.inode(uint64(f.super.RootNid))
	if err == nil && root.Entry.Type() != tree.Dir {
		err = formatError("its root is not a directory")
	}
	if err != nil {
		b.Fail("", err)
		return b
	}
	root.up = root.ID
	b.names[root.ID]++
	b.Run(ctx, root, b.list)
	return b
}

type treeBuilder struct {
	*rofs.Walk[*found]
	f     *FS
	read  *cache
	block []byte            // of a directory
	names map[uint64]uint32 // number of links of each node
	// unlisted is how many bytes of directories may still be read: no two share
	// any.
	unlisted int64
	// problems are all problems: Err, and those that do not prevent reading a tree.
	problems damage.List
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
		b.problems.Add(rofs.Where(dir.Entry.Path), "a directory without . or ..")
	}
	return nil
}

// dot checks . and .., which are not needed to read a tree.
func (b *treeBuilder) dot(dir *found, x dirent) {
	if want := map[string]uint64{".": dir.ID, "..": dir.up}[x.name]; x.nid != want {
		b.problems.Add(rofs.Where(dir.Entry.Path), "%s is node %d, not %d", x.name, x.nid, want)
	}
}

// name reads the inode of a name.
func (b *treeBuilder) name(ctx context.Context, dir *found, x dirent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path, err := b.Path(dir, x.name)
	if err != nil {
		return err
	}
	n, err := b.read.inode(x.nid)
	if err != nil { // the others may be read
		b.Fail(path, err)
		return nil
	}
	if x.kind != fileType(n.Entry.Mode) {
		b.problems.Add(rofs.Where(path), "its directory says that it is of type %d, and it is of type %d", x.kind, fileType(n.Entry.Mode))
	}
	n.Entry.Path = path
	n.up = dir.ID
	b.names[n.ID]++
	b.Add(n)
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
		if x.name != "." && x.name != ".." && rofs.CheckName(x.name) != nil || strings.Contains(x.name, "/") {
			return nil, formatError("the name %q is not allowed", x.name)
		}
		out[i] = x
	}
	return out, nil
}
