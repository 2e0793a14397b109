// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// content is a tree as inodes.
type content struct {
	root  *inode
	order []*inode // each directory after everything in it; by number
	files []*file  // in the order of the tree
}

// inode is an entry that is not a hard link.
type inode struct {
	entry  *tree.Entry
	number uint32
	links  uint32
	parent *inode // of a directory; nil for the root
	names  []name // of a directory, ascending
	file   *file  // of a regular file
	at     ref
}

// name is an entry of a directory.
type name struct {
	name string
	*inode
}

// newContent checks a tree and numbers its inodes.
func newContent(t *tree.Tree) (*content, error) {
	es := t.Entries
	if len(es) == 0 || es[0].Path != "" || es[0].Type() != tree.Dir || es[0].Hardlink != "" {
		return nil, &EntryError{"", fmt.Errorf("%w: the first entry is not the root directory", ErrTree)}
	}
	c := &content{root: &inode{entry: &es[0], links: 2}}
	if err := check(&es[0]); err != nil {
		return nil, &EntryError{"", err}
	}
	inodes := map[string]*inode{"": c.root}
	for i := 1; i < len(es); i++ {
		e := &es[i]
		if tree.Compare(es[i-1].Path, e.Path) >= 0 {
			return nil, &EntryError{e.Path, fmt.Errorf("%w: it comes after /%s", ErrTree, es[i-1].Path)}
		}
		up := inodes[e.Parent()]
		if up == nil || up.entry.Type() != tree.Dir {
			return nil, &EntryError{e.Path, fmt.Errorf("%w: no directory is before it", ErrTree)}
		}
		n, err := c.inode(e, up, inodes)
		if err != nil {
			return nil, &EntryError{e.Path, err}
		}
		inodes[e.Path] = n
		up.names = append(up.names, name{e.Name(), n})
	}
	c.number(c.root)
	return c, nil
}

// inode is what an entry below up is a name of.
func (c *content) inode(e *tree.Entry, up *inode, inodes map[string]*inode) (*inode, error) {
	if err := checkName(e.Name()); err != nil {
		return nil, err
	}
	if e.Hardlink != "" {
		n := inodes[e.Hardlink]
		if n == nil || n.entry.Type() == tree.Dir {
			return nil, fmt.Errorf("%w: hard link to /%s, which is not before it or a directory", ErrTree, e.Hardlink)
		}
		n.links++
		return n, nil
	}
	if err := check(e); err != nil {
		return nil, err
	}
	n := &inode{entry: e, links: 1}
	switch e.Type() {
	case tree.Dir:
		n.links, n.parent = 2, up
		up.links++
	case tree.Regular:
		n.file = &file{entry: e, fragment: noFragment}
		c.files = append(c.files, n.file)
	}
	return n, nil
}

// number gives numbers from 1 on: the subdirectories first, with all that is in
// them, then the other entries, whose inodes so stand side by side, then the
// directory itself.
func (c *content) number(dir *inode) {
	for _, x := range dir.names {
		if x.entry.Type() == tree.Dir {
			c.number(x.inode)
		}
	}
	for _, x := range dir.names {
		if x.entry.Type() != tree.Dir && x.inode.number == 0 {
			c.add(x.inode)
		}
	}
	c.add(dir)
}

func (c *content) add(n *inode) {
	c.order = append(c.order, n)
	n.number = uint32(len(c.order))
}

func checkName(s string) error {
	switch {
	case len(s) > maxName:
		return fmt.Errorf("%w: %d bytes", ErrNameTooLong, len(s))
	case s == "" || s == "." || s == ".." || strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%w: %q is not a name", ErrTree, s)
	}
	return nil
}

// check says what keeps an entry from being stored.
func check(e *tree.Entry) error {
	if e.Mode > 0xffff {
		return fmt.Errorf("%w: mode %#o", ErrTree, e.Mode)
	}
	if _, err := encodeXattrs(e.Xattrs); err != nil {
		return err
	}
	switch e.Type() {
	case tree.Regular:
		return checkFile(e)
	case tree.Symlink:
		if len(e.Link) > maxTarget {
			return fmt.Errorf("%w: %d bytes", ErrLinkTooLong, len(e.Link))
		}
		if e.Link == "" || strings.IndexByte(e.Link, 0) >= 0 {
			return fmt.Errorf("%w: symbolic link to %q", ErrTree, e.Link)
		}
	case tree.Char, tree.Block:
		if e.Rdev.Major >= 1<<12 || e.Rdev.Minor >= 1<<20 {
			return fmt.Errorf("%w: %d:%d", ErrDevice, e.Rdev.Major, e.Rdev.Minor)
		}
	case tree.Dir, tree.FIFO, tree.Socket:
	default:
		return fmt.Errorf("%w: mode %#o has no type", ErrTree, e.Mode)
	}
	return nil
}

func checkFile(e *tree.Entry) error {
	if e.Size < 0 || e.Size > 0 && e.Content == nil && (e.Data == nil || len(e.Data) > 0) {
		return fmt.Errorf("%w: size %d, or no content", ErrTree, e.Size)
	}
	if e.Size > maxFile {
		return fmt.Errorf("%w: %d bytes", ErrFileSize, e.Size)
	}
	end := int64(0)
	for _, r := range e.Data {
		if r.Off < end || r.Len < 0 || r.Len > e.Size-r.Off {
			return fmt.Errorf("%w: %d bytes of data at %d overlap the data before (ends at %d) or the end of the file (%d)", ErrTree, r.Len, r.Off, end, e.Size)
		}
		end = r.Off + r.Len
	}
	return nil
}
