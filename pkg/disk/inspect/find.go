// SPDX-License-Identifier: MPL-2.0

package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// lookup is a file with content.
func lookup(t *tree.Tree, name string) (*tree.Entry, error) {
	if t == nil {
		return nil, fs.ErrNotExist
	}
	e, err := t.Lookup(name)
	if err == nil && (e.Type() != tree.Regular || e.Size == 0) {
		err = fs.ErrNotExist
	}
	return e, err
}

// Find is the tree and the entry that a path names: /PATH on the partition with the
// operating system, or PARTITION:/PATH, where PARTITION is a number, a name, or a
// file system's label. Symbolic links are followed in the tree; for a dangling one,
// the entry is the link itself.
func (d *Disk) Find(name string) (*tree.Tree, *tree.Entry, error) {
	part, p, ok := strings.Cut(name, ":")
	if !ok || strings.HasPrefix(name, "/") {
		part, p = "", name
	}
	v, err := d.volume(part)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	t := v.files()
	if t == nil {
		err = fmt.Errorf("%s has no file system that can be read", v)
		if v.err != nil {
			err = fmt.Errorf("%s: %w", v, v.err)
		}
		return nil, nil, err
	}
	e, err := t.Lookup(p)
	if err != nil {
		if e = dangling(t, p); e == nil {
			return nil, nil, fmt.Errorf("%s: %w", v, err)
		}
	}
	return t, e, nil
}

// dangling is the dangling symbolic link that a path names, or nil.
func dangling(t *tree.Tree, p string) *tree.Entry {
	dir, name := path.Split(path.Clean("/" + p))
	d, err := t.Lookup(dir)
	if err != nil {
		return nil
	}
	p = strings.TrimPrefix(path.Join(d.Path, name), "/")
	i, ok := slices.BinarySearchFunc(t.Entries, p, func(e tree.Entry, p string) int { return tree.Compare(e.Path, p) })
	if !ok || t.Entries[i].Type() != tree.Symlink {
		return nil
	}
	return &t.Entries[i]
}

// volume is the volume with that name; "" is the root's, or the only one.
func (d *Disk) volume(name string) (*volume, error) {
	if name == "" {
		return d.defaultVolume()
	}
	n, err := strconv.Atoi(name)
	for _, v := range d.volumes {
		if err == nil && v.Number == n || err != nil && (v.Name == name || v.fs != nil && v.fs.Label() == name) {
			return v, nil
		}
	}
	return nil, fmt.Errorf("there is no partition %s", name)
}

func (d *Disk) defaultVolume() (*volume, error) {
	if v := d.root(); v != nil {
		return v, nil
	}
	var found *volume
	for _, v := range d.volumes {
		if v.fs == nil {
			continue
		}
		if found != nil {
			return nil, errors.New("several partitions have files: say PARTITION:/PATH")
		}
		found = v
	}
	if found == nil {
		return nil, errors.New("no partition has a file system that can be read")
	}
	return found, nil
}
