// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/rofs"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// inode is an entry that is not a hard link.
type inode struct {
	entry  *tree.Entry
	number uint32
	links  uint32
	parent *inode // of a directory; the root's is the root itself
	names  []name // of a directory, ascending, including . and ..
	xattrs []byte // in stored form

	extended bool
	layout   uint16
	size     int64   // of the data
	pos      int64   // offset of the inode on the device
	tail     int64   // bytes of the data that follow the inode
	block    uint32  // the first one
	log      int     // of the blocks of a chunk
	chunks   []int64 // of a file in chunks: their blocks, from 0 on, or -1 for a hole
}

// name is an entry of a directory.
type name struct {
	name string
	*inode
}

// newContent checks a tree; in the list of inodes, a directory comes before its
// content.
func newContent(t *tree.Tree, o Options) ([]*inode, error) {
	var all []*inode
	err := rofs.Inodes(fsName, t, func(e *tree.Entry) (*inode, error) {
		n := &inode{entry: e, number: uint32(len(all) + 1)}
		all = append(all, n)
		return n, n.fill(o)
	}, (*inode).add)
	if err != nil {
		return nil, err
	}
	all[0].parent = all[0]
	for _, n := range all {
		n.list()
	}
	return all, nil
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

// fill checks an entry, and derives from it what the inode stores.
func (n *inode) fill(o Options) error {
	e := n.entry
	if err := rofs.CheckEntry(e); err != nil {
		return err
	}
	if e.MtimeNsec < 0 || e.MtimeNsec >= 1e9 {
		return fmt.Errorf("%w: %d nanoseconds", ErrTree, e.MtimeNsec)
	}
	n.links = 1
	var err error
	if n.xattrs, err = encodeXattrs(e.Xattrs); err != nil {
		return err
	}
	switch e.Type() {
	case tree.Dir:
		n.links = 2
	case tree.Regular:
		n.size = e.Size
	case tree.Symlink:
		n.size = int64(len(e.Link))
	}
	n.extended = e.UID > 0xffff || e.GID > 0xffff || n.size > 0xffffffff || e.Mtime != o.Time || e.MtimeNsec != 0
	return nil
}

// list completes a directory. Names are sorted by their bytes, and include . and ..
func (n *inode) list() {
	if n.links > 0xffff {
		n.extended = true
	}
	if n.entry.Type() != tree.Dir {
		return
	}
	n.names = append(n.names, name{".", n}, name{"..", n.parent})
	slices.SortFunc(n.names, func(a, b name) int { return strings.Compare(a.name, b.name) })
	blocks := n.blocks()
	for _, x := range blocks[len(blocks)-1] {
		n.size += direntSize + int64(len(x.name))
	}
	n.size += int64(len(blocks)-1) * blockSize
}

// blocks are the names of a directory, by block.
func (n *inode) blocks() [][]name {
	var out [][]name
	start, used := 0, 0
	for i, x := range n.names {
		size := direntSize + len(x.name)
		if used+size > blockSize {
			out = append(out, n.names[start:i])
			start, used = i, 0
		}
		used += size
	}
	return append(out, n.names[start:])
}
