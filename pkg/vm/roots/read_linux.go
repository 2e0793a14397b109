// SPDX-License-Identifier: MPL-2.0

package roots

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/carosio/carosbuild/pkg/beneath"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/owner"
)

// Read reads a directory whose metadata is in a table as a tree. The tree is valid until close
// is called.
func Read(ctx context.Context, dir string, t *owner.Table) (_ *tree.Tree, close func() error, err error) {
	src, err := tree.OpenDir(dir)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, src.Close())
		}
	}()
	all, err := src.Read(ctx, 0, runtime.GOMAXPROCS(0))
	if err != nil {
		return nil, nil, err
	}
	if err := describe(dir, all, t); err != nil {
		return nil, nil, err
	}
	return all, src.Close, nil
}

// describe gives the entries of a tree the metadata in a table.
func describe(dir string, all *tree.Tree, t *owner.Table) error {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	for i := range all.Entries {
		e := &all.Entries[i]
		if e.Hardlink != "" {
			continue
		}
		if err := describeOne(root, e, t); err != nil {
			return fmt.Errorf("owner of /%s: %w", e.Path, err)
		}
	}
	return nil
}

func describeOne(root int, e *tree.Entry, t *owner.Table) error {
	fd, err := beneath.Open(root, e.Path, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	st, xattrs, err := t.Look(fd, "")
	if err != nil {
		return err
	}
	e.Mode, e.UID, e.GID = st.Mode, st.Uid, st.Gid
	if k := e.Type(); k == tree.Char || k == tree.Block {
		e.Rdev = tree.Device{Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}
		e.Size, e.Data, e.Content = 0, nil, nil
	}
	e.Xattrs = nil
	for _, name := range slices.Sorted(maps.Keys(xattrs)) {
		e.Xattrs = append(e.Xattrs, tree.Xattr{Name: name, Value: xattrs[name]})
	}
	return nil
}
