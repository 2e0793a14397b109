// SPDX-License-Identifier: MPL-2.0

package fat

import (
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// node is a file or directory and its place.
type node struct {
	path     string
	entry    *tree.Entry // the entry with the content: for a hard link, its target
	name     dirName
	children []*node
	slots    int   // directories: 32-byte entries
	cluster  int64 // first one, 0 for an empty file
}

func (n *node) isDir() bool { return n.entry.Type() == tree.Dir }

// load checks the tree and names every entry. labelled reserves the root
// directory's slot for the volume label.
func load(t *tree.Tree, labelled bool) (*node, error) {
	if len(t.Entries) == 0 || t.Entries[0].Path != "" || t.Entries[0].Type() != tree.Dir {
		return nil, &PathError{"", fmt.Errorf("%w: no root directory", ErrTree)}
	}
	root := &node{entry: &t.Entries[0]}
	if labelled {
		root.slots++
	}
	nodes := map[string]*node{"": root}
	dirs := []*node{root}
	for i := range t.Entries[1:] {
		e := &t.Entries[i+1]
		n := &node{path: e.Path, entry: e}
		if e.Hardlink != "" {
			target := nodes[e.Hardlink]
			if target == nil || target.isDir() {
				return nil, &PathError{e.Path, fmt.Errorf("%w: hard link to %s", ErrTree, e.Hardlink)}
			}
			n.entry = target.entry
		}
		if err := check(n, e.Name()); err != nil {
			return nil, &PathError{e.Path, err}
		}
		parent := nodes[e.Parent()]
		if parent == nil || !parent.isDir() || nodes[e.Path] != nil {
			return nil, &PathError{e.Path, fmt.Errorf("%w: no parent, or there twice", ErrTree)}
		}
		parent.children = append(parent.children, n)
		nodes[e.Path] = n
		if n.isDir() {
			n.slots = 2 // . and ..
			dirs = append(dirs, n)
		}
	}
	for _, d := range dirs {
		if err := d.nameChildren(); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func check(n *node, name string) error {
	e := n.entry
	switch e.Type() {
	case tree.Dir:
	case tree.Regular:
		if e.Size > maxFile {
			return fmt.Errorf("%w (%d bytes)", ErrFileSize, e.Size)
		}
		if e.Size < 0 || e.Size > 0 && e.Content == nil && (e.Data == nil || len(e.Data) > 0) {
			return fmt.Errorf("%w: size without content", ErrTree)
		}
		end := int64(0)
		for _, r := range e.Data {
			if r.Off < end || r.Len < 0 || r.Len > e.Size-r.Off {
				return fmt.Errorf("%w: data range %d+%d", ErrTree, r.Off, r.Len)
			}
			end = r.Off + r.Len
		}
	case tree.Symlink:
		return fmt.Errorf("%w, this is a symbolic link to %s", ErrFileType, e.Link)
	default:
		return fmt.Errorf("%w, this is a device, fifo or socket", ErrFileType)
	}
	return checkName(name)
}

// nameChildren gives each child its stored name. Plain 8.3 names come first, so
// that no alias takes one of them.
func (d *node) nameChildren() error {
	folded := make(map[string]string, len(d.children))
	a := aliases{used: map[[11]byte]bool{}, next: map[string]int{}}
	var long []*node
	for _, c := range d.children {
		name := c.path[strings.LastIndexByte(c.path, '/')+1:]
		fold := strings.ToUpper(strings.ToLower(name))
		if other, ok := folded[fold]; ok {
			return &CollisionError{Path: c.path, Other: other}
		}
		folded[fold] = c.path
		d.slots++
		if n, ok := exact(name); ok {
			c.name = n
			a.used[n.short] = true
			continue
		}
		c.name.long = utf16.Encode([]rune(name))
		d.slots += (len(c.name.long) + longChars - 1) / longChars
		long = append(long, c)
	}
	for _, c := range long {
		c.name.short = a.alias(c.path[strings.LastIndexByte(c.path, '/')+1:])
	}
	if d.slots > maxDirEntries {
		return &PathError{d.path, ErrDirectory}
	}
	return nil
}

// place assigns clusters to everything and returns the first free one.
func (g geometry) place(root *node) (int64, error) {
	if g.bits == 32 {
		return root.place(2, g.clusterBytes()), nil
	}
	if have := int(g.rootSectors * sectorSize / dirEntrySize); root.slots > have {
		return 0, &PathError{"", fmt.Errorf("%w: %d entries of 32 bytes, it has room for %d", ErrRoot, root.slots, have)}
	}
	root.cluster = 0
	return root.placeChildren(2, g.clusterBytes()), nil
}

// place assigns clusters, from next on, to the directory and its content, depth
// first, and returns the first free one.
func (d *node) place(next, clusterBytes int64) int64 {
	d.cluster = next
	next += max(1, clustersFor(int64(d.slots)*dirEntrySize, clusterBytes))
	return d.placeChildren(next, clusterBytes)
}

func (d *node) placeChildren(next, clusterBytes int64) int64 {
	for _, c := range d.children {
		switch {
		case c.isDir():
			next = c.place(next, clusterBytes)
		case c.entry.Size > 0:
			c.cluster = next
			next += clustersFor(c.entry.Size, clusterBytes)
		default:
			c.cluster = 0
		}
	}
	return next
}

func clustersFor(size, clusterBytes int64) int64 { return (size + clusterBytes - 1) / clusterBytes }
