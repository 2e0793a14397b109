// SPDX-License-Identifier: MPL-2.0

package vm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/ext4"
	"github.com/carosio/carosbuild/pkg/disk/image"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/freshfile"
	"github.com/carosio/carosbuild/pkg/vm/cow"
	"github.com/carosio/carosbuild/pkg/vm/delta"
	"github.com/carosio/carosbuild/pkg/vm/guest"
)

// Disk is a tree as a machine's disk, and what the machine has written to it.
type Disk struct {
	image *image.Image
	dev   *cow.Device
}

// free is the free space on a disk. It costs nothing until it is used.
const free = 64 << 30

// NewDisk makes a disk from a tree, which must not change until the disk is closed. Writes
// go to an unnamed file in the scratch directory.
func NewDisk(t *tree.Tree, scratch string) (*Disk, error) {
	m, err := ext4.Build(within(guest.Top, t), ext4.Options{
		Label: "carosbuild", UUID: [16]byte{1}, HashSeed: [16]byte{1}, Free: free, ReservedPercent: -1,
	})
	if err != nil {
		return nil, err
	}
	f, err := freshfile.Scratch(scratch)
	if err != nil {
		return nil, err
	}
	dev, err := cow.New(m, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &Disk{image: m, dev: dev}, nil
}

// within is a tree below a directory. Other files of a file system, such as lost+found, are
// beside that directory.
func within(dir string, t *tree.Tree) *tree.Tree {
	out := &tree.Tree{Entries: make([]tree.Entry, 0, len(t.Entries)+1)}
	out.Entries = append(out.Entries, tree.Entry{Mode: tree.Dir | 0o755})
	for _, e := range t.Entries {
		e.Path = strings.TrimSuffix(dir+"/"+e.Path, "/")
		if e.Hardlink != "" {
			e.Hardlink = dir + "/" + e.Hardlink
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}

// Close discards what was written.
func (d *Disk) Close() error { return d.dev.Close() }

// Device is the block device for a machine.
func (d *Disk) Device() *cow.Device { return d.dev }

// After returns the current tree on the disk. Contents are read when they are read from the
// tree.
func (d *Disk) After() (*tree.Tree, error) {
	if err := d.dev.Err(); err != nil {
		return nil, err
	}
	return treeOf(d.dev)
}

func treeOf(r interface {
	ReadAt(p []byte, off int64) (int, error)
	Size() int64
},
) (*tree.Tree, error) {
	fs, err := ext4.Open(r, r.Size())
	if err != nil {
		return nil, err
	}
	t, err := fs.Tree()
	if err != nil {
		return nil, err
	}
	return t.Sub(guest.Top)
}

// Changes are the differences from the tree that the disk was made from. Paths in revert
// count as unchanged, as for delta.Find. Contents that a guest has not written are not read.
func (d *Disk) Changes(ctx context.Context, revert map[string]bool) ([]delta.Change, error) {
	after, err := d.After()
	if err != nil {
		return nil, fmt.Errorf("read the machine's disk: %w", err)
	}
	before, err := treeOf(d.image)
	if err != nil {
		return nil, fmt.Errorf("read the machine's disk: %w", err)
	}
	return delta.Find(ctx, before, after, delta.Options{Same: d.untouched, Revert: revert})
}

// untouched reports whether a file occupies the same blocks as before and none of them was
// written.
func (d *Disk) untouched(before, after *tree.Entry) bool {
	was, ok := ext4.Layout(before)
	if !ok {
		return false
	}
	is, ok := ext4.Layout(after)
	if !ok || len(is) != len(was) {
		return false
	}
	for i, r := range is {
		if r != was[i] || d.dev.Written(r.At, r.Len) {
			return false
		}
	}
	return true
}
