// SPDX-License-Identifier: MPL-2.0

package ext4

import (
	"fmt"
	"math"
	"sort"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// content is the part of a file system that depends on the tree and not on the
// size: inode numbers, link counts, the blocks of directories. Entries are given by
// their index in the tree; the index after the last is a lost+found if the tree has
// none.
type content struct {
	entries   []tree.Entry
	lostFound int32

	ino     []uint32 // by entry, including hard links
	byIno   []int32  // entry of inode firstIno + i
	names   map[int32]uint32
	dirs    []directory // ascending by entry
	kids    []int32     // entries in directories, grouped by directory
	xattred []int32     // entries with an attribute block
}

// addedLostFound is the directory that is added if a tree does not have it.
var addedLostFound = tree.Entry{Path: "lost+found", Mode: tree.Dir | 0o700}

func (c *content) entry(i int32) *tree.Entry {
	if int(i) == len(c.entries) {
		return &addedLostFound
	}
	return &c.entries[i]
}

// lastIno is the highest inode in use; all below it are in use.
func (c *content) lastIno() int64 { return firstIno - 1 + int64(len(c.byIno)) }

// newContent checks a tree and prepares it.
func newContent(t *tree.Tree, hash dirHash) (*content, error) {
	n := len(t.Entries)
	if n == 0 || t.Entries[0].Path != "" || t.Entries[0].Type() != tree.Dir || t.Entries[0].Hardlink != "" {
		return nil, &EntryError{"", fmt.Errorf("%w: the first entry is not the root directory", ErrTree)}
	}
	if n > math.MaxInt32-firstIno {
		return nil, &EntryError{"", fmt.Errorf("%w: %d entries", ErrTree, n)}
	}
	c := &content{entries: t.Entries, lostFound: int32(n), names: map[int32]uint32{}}
	parents, err := c.parents()
	if err != nil {
		return nil, err
	}
	if err := c.number(); err != nil {
		return nil, err
	}
	c.group(parents)
	for i := range c.dirs {
		if err := c.size(&c.dirs[i], hash); err != nil {
			return nil, &EntryError{c.entry(c.dirs[i].entry).Path, err}
		}
	}
	return c, nil
}

// parents checks every entry and finds its directory.
func (c *content) parents() ([]int32, error) {
	parents := make([]int32, len(c.entries), len(c.entries)+1)
	open := []int32{0} // the directories from the root to the last entry
	for i := range c.entries {
		e := &c.entries[i]
		if i > 0 {
			if tree.Compare(c.entries[i-1].Path, e.Path) >= 0 {
				return nil, &EntryError{e.Path, fmt.Errorf("%w: it comes after /%s", ErrTree, c.entries[i-1].Path)}
			}
			up := e.Parent()
			for len(open) > 0 && c.entries[open[len(open)-1]].Path != up {
				open = open[:len(open)-1]
			}
			if len(open) == 0 {
				return nil, &EntryError{e.Path, fmt.Errorf("%w: no directory is before it", ErrTree)}
			}
			parents[i] = open[len(open)-1]
			if err := checkName(e.Name()); err != nil {
				return nil, &EntryError{e.Path, err}
			}
		}
		if e.Hardlink != "" {
			continue
		}
		block, err := checkEntry(e)
		if err != nil {
			return nil, &EntryError{e.Path, err}
		}
		if block {
			c.xattred = append(c.xattred, int32(i))
		}
		if e.Type() == tree.Dir {
			if i > 0 {
				open = append(open, int32(i))
			}
			if e.Path == addedLostFound.Path {
				c.lostFound = int32(i)
			}
		} else if e.Path == addedLostFound.Path {
			return nil, &EntryError{e.Path, fmt.Errorf("%w: it must be a directory", ErrTree)}
		}
	}
	if int(c.lostFound) == len(c.entries) {
		parents = append(parents, 0)
	}
	return parents, nil
}

// number assigns inodes to the entries in their order.
func (c *content) number() error {
	n := len(c.entries)
	c.ino = make([]uint32, n, n+1)
	c.byIno = make([]int32, 0, n)
	for i := range c.entries {
		e := &c.entries[i]
		switch {
		case e.Hardlink != "":
			j, err := c.target(i)
			if err != nil {
				return &EntryError{e.Path, err}
			}
			c.ino[i] = c.ino[j]
			c.names[int32(j)] = max(c.names[int32(j)], 1) + 1
			if c.names[int32(j)] > maxLinks {
				return &EntryError{c.entries[j].Path, ErrLinks}
			}
		case i == 0:
			c.ino[i] = rootIno
		case int32(i) == c.lostFound:
			c.ino[i] = lostFoundIno
		default:
			c.ino[i] = firstIno + uint32(len(c.byIno))
			c.byIno = append(c.byIno, int32(i))
		}
	}
	if int(c.lostFound) == n {
		c.ino = append(c.ino, lostFoundIno)
	}
	return nil
}

// target finds the entry that hard link i refers to.
func (c *content) target(i int) (int, error) {
	e := &c.entries[i]
	if e.Path == addedLostFound.Path {
		return 0, fmt.Errorf("%w: it must be a directory", ErrTree)
	}
	j, ok := sort.Find(i, func(k int) int { return tree.Compare(e.Hardlink, c.entries[k].Path) })
	if !ok {
		return 0, fmt.Errorf("%w: hard link to /%s, which is not before it", ErrTree, e.Hardlink)
	}
	if t := &c.entries[j]; t.Hardlink != "" || t.Type() == tree.Dir {
		return 0, fmt.Errorf("%w: hard link to /%s, which is a directory or a hard link itself", ErrTree, e.Hardlink)
	}
	return j, nil
}

// group makes the directories and the lists of their entries.
func (c *content) group(parents []int32) {
	count := make([]int32, len(parents)) // number of entries, then the next index in kids
	for i := 1; i < len(parents); i++ {
		count[parents[i]]++
	}
	first := int32(0)
	for i := range parents {
		e := c.entry(int32(i))
		if e.Type() != tree.Dir || e.Hardlink != "" {
			continue
		}
		c.dirs = append(c.dirs, directory{entry: int32(i), parent: parents[i], first: first, count: count[i]})
		count[i], first = first, first+count[i]
	}
	c.kids = make([]int32, first)
	for i := 1; i < len(parents); i++ {
		c.kids[count[parents[i]]] = int32(i)
		count[parents[i]]++
	}
}

// dir returns the directory of entry i.
func (c *content) dir(i int32) *directory {
	k := sort.Search(len(c.dirs), func(k int) bool { return c.dirs[k].entry >= i })
	return &c.dirs[k]
}
