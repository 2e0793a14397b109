// SPDX-License-Identifier: MPL-2.0

package rofs

import (
	"fmt"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// Inodes turns the entries of a tree, in its order, into inodes of type N. inode
// makes one from an entry that is not a hard link; name adds the entry's name for
// inode n to the directory up, and is called for every entry except the root. All
// errors are EntryErrors of the kind of file system fs.
func Inodes[N any](fs string, t *tree.Tree, inode func(e *tree.Entry) (N, error), name func(up N, e *tree.Entry, n N)) error {
	es := t.Entries
	if len(es) == 0 || es[0].Path != "" || es[0].Type() != tree.Dir || es[0].Hardlink != "" {
		return &EntryError{fs, "", fmt.Errorf("%w: the first entry is not the root directory", ErrTree)}
	}
	b := builder[N]{inode: inode, name: name, dirs: map[string]N{}, others: map[string]N{}}
	for i := range es {
		e := &es[i]
		if i > 0 && tree.Compare(es[i-1].Path, e.Path) >= 0 {
			return &EntryError{fs, e.Path, fmt.Errorf("%w: it comes after /%s", ErrTree, es[i-1].Path)}
		}
		if err := b.add(e); err != nil {
			return &EntryError{fs, e.Path, err}
		}
	}
	return nil
}

// builder has the inodes of the previous entries, by path.
type builder[N any] struct {
	inode        func(e *tree.Entry) (N, error)
	name         func(up N, e *tree.Entry, n N)
	dirs, others map[string]N
}

func (b *builder[N]) add(e *tree.Entry) error {
	up, ok := b.dirs[e.Parent()]
	if e.Path != "" {
		if !ok {
			return fmt.Errorf("%w: no directory is before it", ErrTree)
		}
		if err := CheckName(e.Name()); err != nil {
			return err
		}
	}
	n, ok := b.others[e.Hardlink]
	if e.Hardlink == "" {
		var err error
		if n, err = b.inode(e); err != nil {
			return err
		}
	} else if !ok {
		return fmt.Errorf("%w: hard link to /%s, which is not before it or a directory", ErrTree, e.Hardlink)
	}
	if e.Hardlink == "" && e.Type() == tree.Dir {
		b.dirs[e.Path] = n
	} else {
		b.others[e.Path] = n
	}
	if e.Path != "" {
		b.name(up, e, n)
	}
	return nil
}
