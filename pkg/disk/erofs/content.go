// SPDX-License-Identifier: MPL-2.0

package erofs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// inode is an entry that is not a hard link.
type inode struct {
	entry  *tree.Entry
	number uint32
	links  uint32
	parent *inode // of a directory; the root's is itself
	names  []name // of a directory, ascending, with . and ..
	xattrs []byte // as they are stored

	extended bool
	layout   uint16
	size     int64   // of the data
	pos      int64   // of the inode, on the device
	tail     int64   // bytes of the data that are behind the inode
	block    uint32  // the first one
	log      int     // of the blocks of a chunk
	chunks   []int64 // of a file in chunks: their blocks, from 0 on, or -1 for a hole
}

// name is an entry of a directory.
type name struct {
	name string
	*inode
}

// newContent checks a tree; of the inodes, a directory is before what is in it.
func newContent(t *tree.Tree, o Options) ([]*inode, error) {
	es := t.Entries
	if len(es) == 0 || es[0].Path != "" || es[0].Type() != tree.Dir || es[0].Hardlink != "" {
		return nil, &EntryError{"", fmt.Errorf("%w: the first entry is not the root directory", ErrTree)}
	}
	var all []*inode
	known := map[string]*inode{}
	for i := range es {
		e := &es[i]
		if i > 0 && tree.Compare(es[i-1].Path, e.Path) >= 0 {
			return nil, &EntryError{e.Path, fmt.Errorf("%w: it comes after /%s", ErrTree, es[i-1].Path)}
		}
		n, err := newInode(e, known, o)
		if err != nil {
			return nil, &EntryError{e.Path, err}
		}
		if e.Hardlink == "" {
			all = append(all, n)
			n.number = uint32(len(all))
		}
		known[e.Path] = n
	}
	for _, n := range all {
		n.list()
	}
	return all, nil
}

// newInode is what an entry is a name of. It adds the name to the directory.
func newInode(e *tree.Entry, known map[string]*inode, o Options) (*inode, error) {
	n := &inode{entry: e, links: 1}
	if e.Hardlink != "" {
		if n = known[e.Hardlink]; n == nil || n.entry.Type() == tree.Dir {
			return nil, fmt.Errorf("%w: hard link to /%s, which is not before it or a directory", ErrTree, e.Hardlink)
		}
		n.links++
	} else if err := n.fill(o); err != nil {
		return nil, err
	}
	if e.Path == "" {
		n.parent = n
		return n, nil
	}
	dir := known[e.Parent()]
	if dir == nil || dir.entry.Type() != tree.Dir {
		return nil, fmt.Errorf("%w: no directory is before it", ErrTree)
	}
	if err := checkName(e.Name()); err != nil {
		return nil, err
	}
	dir.names = append(dir.names, name{e.Name(), n})
	if n.entry.Type() == tree.Dir {
		n.parent = dir
		dir.links++
	}
	return n, nil
}

// fill checks an entry, and finds out what of it the inode has.
func (n *inode) fill(o Options) error {
	e := n.entry
	if err := check(e); err != nil {
		return err
	}
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

// list completes a directory. Names are in the order of their bytes, and . and ..
// are among them.
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

// blocks are the names of a directory, block by block.
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
	if e.Mode > 0xffff || e.MtimeNsec < 0 || e.MtimeNsec >= 1e9 {
		return fmt.Errorf("%w: mode %#o, %d nanoseconds", ErrTree, e.Mode, e.MtimeNsec)
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
	end := int64(0)
	for _, r := range e.Data {
		if r.Off < end || r.Len < 0 || r.Len > e.Size-r.Off {
			return fmt.Errorf("%w: %d bytes of data at %d overlap the data before (ends at %d) or the end of the file (%d)", ErrTree, r.Len, r.Off, end, e.Size)
		}
		end = r.Off + r.Len
	}
	return nil
}
