// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// limits are about two million entries.
func limits() rofs.Limits { return rofs.Limits{Tree: 1 << 30, Paths: 1 << 30} }

// Tree is the content of the file system. Contents of files are read when the
// Tree's are. If something cannot be read, the Tree has the rest and the error is
// the first reason.
func (f *FS) Tree() (*tree.Tree, error) { return f.tree(context.Background()) }

// tree is Tree until ctx ends.
func (f *FS) tree(ctx context.Context) (*tree.Tree, error) {
	b := &treeBuilder{rofs.NewWalk[*found](limits()), f}
	b.Twice = formatError("the directory is there twice")
	root, err := f.inode(f.super.Root, b.Pay)
	if err == nil && root.Entry.Type() != tree.Dir {
		err = formatError("its root is not a directory")
	}
	if err != nil {
		b.Fail("", err)
	} else {
		b.Run(ctx, root, b.list)
	}
	return b.Tree(func(n *found) { n.content(f) }), b.Err
}

type treeBuilder struct {
	*rofs.Walk[*found]
	f *FS
}

// list reads a directory.
func (b *treeBuilder) list(ctx context.Context, dir *found) error {
	left, last := dir.dirSize-dotsSize, ""
	for left > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
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
			last = n.Entry.Name()
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
	if rofs.CheckName(name) != nil || strings.Contains(name, "/") || name <= last {
		return nil, formatError("the name %q is not allowed, or out of order", name)
	}
	path, err := b.Path(dir, name)
	if err != nil {
		return nil, err
	}
	n, err := b.f.inode(uint64(block)<<16|uint64(offset), b.Pay)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n.Entry.Path = path
	b.Add(n)
	return n, nil
}

// content sets a file's content and the ranges that are not holes.
func (n *found) content(f *FS) {
	c := &fileContent{f: f, n: n, ends: make([]int64, len(n.blocks))}
	pos, block := n.start, int64(f.super.BlockSize)
	holes := false
	var data []tree.Range
	for i, word := range n.blocks {
		pos += int64(word &^ rawBlock)
		c.ends[i] = pos
		off := int64(i) * block
		size := min(block, n.Entry.Size-off)
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
	if tail := int64(len(n.blocks)) * block; holes && tail < n.Entry.Size {
		data = append(data, tree.Range{Off: tail, Len: n.Entry.Size - tail})
	}
	n.Entry.Content = c
	if holes {
		n.Entry.Data = slices.Clip(append([]tree.Range{}, data...))
	}
}

// fileContent is the content of a file.
type fileContent struct {
	f    *FS
	n    *found
	ends []int64 // offsets of the blocks on the device
}

// ReadAt implements io.ReaderAt.
func (c *fileContent) ReadAt(p []byte, off int64) (int, error) {
	size, block := c.n.Entry.Size, int64(c.f.super.BlockSize)
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
			return done, fmt.Errorf("/%s: %w", c.n.Entry.Path, err)
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
	size := min(block, n.Entry.Size-i*block)
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

// tail reads from the part in a fragment.
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
