// SPDX-License-Identifier: MPL-2.0

package squashfs

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// content is a tree as inodes.
type content struct {
	root  *inode
	order []*inode // each directory after everything in it; sorted by number
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
	c := &content{}
	if err := rofs.Inodes(fsName, t, c.inode, (*inode).add); err != nil {
		return nil, err
	}
	c.number(c.root)
	return c, nil
}

// inode checks an entry, and returns its inode. The first is the root.
func (c *content) inode(e *tree.Entry) (*inode, error) {
	if err := check(e); err != nil {
		return nil, err
	}
	n := &inode{entry: e, links: 1}
	switch e.Type() {
	case tree.Dir:
		n.links = 2
	case tree.Regular:
		n.file = &file{entry: e, fragment: noFragment}
		c.files = append(c.files, n.file)
	}
	if c.root == nil {
		c.root = n
	}
	return n, nil
}

// add adds a name of an inode to a directory.
func (n *inode) add(e *tree.Entry, of *inode) {
	n.names = append(n.names, name{e.Name(), of})
	if e.Hardlink != "" {
		of.links++
	}
	if of.entry.Type() == tree.Dir {
		of.parent = n
		n.links++
	}
}

// number assigns numbers from 1 on: first the subdirectories with everything in
// them, then the other entries, whose inodes are therefore adjacent, then the
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

// check says what prevents an entry from being stored.
func check(e *tree.Entry) error {
	if err := rofs.CheckEntry(e); err != nil {
		return err
	}
	if e.Type() == tree.Regular && e.Size > maxFile {
		return fmt.Errorf("%w: %d bytes", ErrFileSize, e.Size)
	}
	_, err := encodeXattrs(e.Xattrs)
	return err
}
