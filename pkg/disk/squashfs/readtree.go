// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// maxTree bounds the memory for a tree, with entryCost for each entry beside its
// path.
const (
	maxTree   = 1 << 30
	entryCost = 512
)

// Tree is what the file system holds. Contents are read when the Tree's are.
// When something cannot be read, the Tree has the rest and the error is the
// first reason.
func (f *FS) Tree() (*tree.Tree, error) {
	b := &treeBuilder{f: f, seen: map[uint64]bool{}}
	root, err := f.inode(f.super.Root, b.pay)
	if err == nil && root.entry.Type() != tree.Dir {
		err = formatError("its root is not a directory")
	}
	if err != nil {
		return &tree.Tree{Entries: []tree.Entry{{Mode: tree.Dir | 0o755}}}, err
	}
	b.add(root)
	for len(b.todo) > 0 && b.cost <= maxTree {
		dir := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		b.note(dir.entry.Path, b.list(dir))
	}
	return b.tree(), b.err
}

type treeBuilder struct {
	f     *FS
	found []*found
	todo  []*found
	seen  map[uint64]bool // directories, by reference
	cost  int64
	err   error
}

func (b *treeBuilder) note(path string, err error) {
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("/%s: %w", path, err)
	}
}

// pay counts memory, and says when it is too much.
func (b *treeBuilder) pay(n int64) error {
	if n > maxTree-min(b.cost, maxTree) {
		b.cost = maxTree + 1
		return formatError("its tree is too large")
	}
	b.cost += n
	return nil
}

// add takes an inode over, and a directory to be listed.
func (b *treeBuilder) add(n *found) {
	b.found = append(b.found, n)
	if n.entry.Type() != tree.Dir {
		return
	}
	if b.seen[n.ref] {
		b.note(n.entry.Path, formatError("the directory is there twice"))
		return
	}
	b.seen[n.ref] = true
	b.todo = append(b.todo, n)
}

// list reads a directory.
func (b *treeBuilder) list(dir *found) error {
	left, last := dir.dirSize-dotsSize, ""
	for left > 0 {
		head, err := dir.dir.next(12)
		if err != nil {
			return err
		}
		left -= 12
		p := fields(head)
		count, block := p.u32(), p.u32()
		if count >= dirRun {
			return formatError("%d names after one header", count)
		}
		for range count + 1 {
			n, err := b.name(dir, block, last)
			if err != nil {
				return err
			}
			last = n.entry.Name()
			left -= 8 + int64(len(last))
		}
	}
	return nil
}

// name reads a name, which must come after the last one, and its inode.
func (b *treeBuilder) name(dir *found, block uint32, last string) (*found, error) {
	head, err := dir.dir.next(8)
	if err != nil {
		return nil, err
	}
	p := fields(head)
	offset := p.u16()
	p.u16() // number of the inode
	p.u16() // its type
	raw, err := dir.dir.next(int(p.u16()) + 1)
	if err != nil {
		return nil, err
	}
	name := string(raw)
	if checkName(name) != nil || strings.Contains(name, "/") || name <= last {
		return nil, formatError("the name %q is not allowed, or out of order", name)
	}
	path := strings.TrimPrefix(dir.entry.Path+"/"+name, "/")
	if err := b.pay(entryCost + int64(len(path))); err != nil {
		return nil, err
	}
	n, err := b.f.inode(uint64(block)<<16|uint64(offset), b.pay)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n.entry.Path = path
	b.add(n)
	return n, nil
}

// tree puts everything in order; of several names of a file the first is the
// file.
func (b *treeBuilder) tree() *tree.Tree {
	slices.SortFunc(b.found, func(x, y *found) int { return tree.Compare(x.entry.Path, y.entry.Path) })
	t, first := &tree.Tree{Entries: make([]tree.Entry, len(b.found))}, map[uint64]string{}
	for i, n := range b.found {
		if n.entry.Type() != tree.Dir && n.links > 1 {
			if name, ok := first[n.ref]; ok {
				t.Entries[i] = tree.Entry{Path: n.entry.Path, Hardlink: name}
				continue
			}
			first[n.ref] = n.entry.Path
		}
		if n.entry.Type() == tree.Regular && n.entry.Size > 0 {
			n.content(b.f)
		}
		t.Entries[i] = n.entry
	}
	return t
}

// content gives a file its content and the ranges that are not holes.
func (n *found) content(f *FS) {
	c := &fileContent{f: f, n: n, ends: make([]int64, len(n.blocks))}
	pos, block := n.start, int64(f.super.BlockSize)
	holes := false
	var data []tree.Range
	for i, word := range n.blocks {
		pos += int64(word &^ rawBlock)
		c.ends[i] = pos
		off := int64(i) * block
		size := min(block, n.entry.Size-off)
		if word&^rawBlock == 0 {
			holes = true
			continue
		}
		if k := len(data); k > 0 && data[k-1].Off+data[k-1].Len == off {
			data[k-1].Len += size
			continue
		}
		data = append(data, tree.Range{Off: off, Len: size})
	}
	if tail := int64(len(n.blocks)) * block; holes && tail < n.entry.Size {
		data = append(data, tree.Range{Off: tail, Len: n.entry.Size - tail})
	}
	n.entry.Content = c
	if holes {
		n.entry.Data = slices.Clip(append([]tree.Range{}, data...))
	}
}

// fileContent is the content of a file.
type fileContent struct {
	f    *FS
	n    *found
	ends []int64 // of the blocks, on the device
}

// ReadAt implements io.ReaderAt.
func (c *fileContent) ReadAt(p []byte, off int64) (int, error) {
	size, block := c.n.entry.Size, int64(c.f.super.BlockSize)
	if off < 0 || off >= size {
		return 0, io.EOF
	}
	short := int64(len(p)) > size-off
	if short {
		p = p[:size-off]
	}
	for done := 0; done < len(p); {
		pos := off + int64(done)
		k := int(min(int64(len(p)-done), block-pos%block))
		if err := c.block(p[done:done+k], pos/block, pos%block); err != nil {
			return done, fmt.Errorf("/%s: %w", c.n.entry.Path, err)
		}
		done += k
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// block reads from offset off of block i.
func (c *fileContent) block(p []byte, i, off int64) error {
	n, block := c.n, int64(c.f.super.BlockSize)
	size := min(block, n.entry.Size-i*block)
	if i >= int64(len(n.blocks)) {
		return c.tail(p, off, size)
	}
	word := n.blocks[i]
	stored := int64(word &^ rawBlock)
	if stored == 0 {
		clear(p)
		return nil
	}
	b, err := c.f.data(c.ends[i]-stored, word, size)
	if err != nil {
		return err
	}
	copy(p, b[off:])
	return nil
}

// tail reads from what is in a fragment.
func (c *fileContent) tail(p []byte, off, size int64) error {
	if c.n.fragment >= c.f.super.Fragments {
		return formatError("fragment %d of %d", c.n.fragment, c.f.super.Fragments)
	}
	b, err := c.f.item(c.f.super.FragmentTable, c.n.fragment, fragmentSize)
	if err != nil {
		return err
	}
	at := int64(c.n.fragStart)
	if at+size > int64(c.f.super.BlockSize) {
		return formatError("%d bytes at %d of a fragment", size, at)
	}
	b, err = c.f.data(int64(le.Uint64(b)), le.Uint32(b[8:]), at+size)
	if err != nil {
		return err
	}
	copy(p, b[at+off:])
	return nil
}
