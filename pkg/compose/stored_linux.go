// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"errors"
	"maps"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/layer/sums"
)

// StoredRoot is the root file system of a stage in the store. It can be read only
// inside the user namespace, since its files belong to ids of that namespace.
type StoredRoot struct {
	Store *layer.Store
	Layer string // the topmost
}

// Tree implements RootFS.
func (r StoredRoot) Tree(ctx context.Context, clamp int64, jobs int) (*tree.Tree, func() error, error) {
	root, unmount, err := r.Store.View(ctx, r.Layer)
	if err != nil {
		return nil, nil, err
	}
	src, err := tree.OpenDirOf(root, r.Store.TreeOwners())
	if err != nil {
		return nil, nil, errors.Join(err, unmount())
	}
	release := func() error { return errors.Join(src.Close(), unmount()) }
	var t *tree.Tree
	var devices []layer.Device
	var want *sums.Expected
	var labels []layer.Label
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		devices, err = r.Store.Devices(r.Layer) // reads the headers of all layers
		return err
	})
	g.Go(func() (err error) {
		labels, err = r.Store.Labels(r.Layer)
		return err
	})
	g.Go(func() (err error) {
		t, err = src.Read(gctx, clamp, jobs)
		return err
	})
	g.Go(func() (err error) {
		want, err = r.Store.Expect(gctx, r.Layer)
		return err
	})
	err = g.Wait()
	if err == nil {
		err = r.verify(t, want, clamp)
	}
	if err != nil {
		return nil, nil, errors.Join(err, release())
	}
	return withLabels(withDevices(t, devices, clamp), labels), release, nil
}

// withLabels adds the extended attributes that files cannot have in a user
// namespace.
func withLabels(t *tree.Tree, labels []layer.Label) *tree.Tree {
	add := map[string][]tree.Xattr{}
	for _, l := range labels {
		dir, err := t.Lookup(path.Dir("/" + l.Path)) // the path may lead through links
		if err != nil || dir.Type() != tree.Dir {
			continue
		}
		name := strings.TrimPrefix(path.Join(dir.Path, path.Base("/"+l.Path)), "/")
		for _, k := range slices.Sorted(maps.Keys(l.Xattrs)) {
			add[name] = append(add[name], tree.Xattr{Name: k, Value: l.Xattrs[k]})
		}
	}
	return t.WithXattrs(add)
}

// verify checks a tree against the records of its layers, except for the contents
// of its files, which are checked when they are read. An error wraps a
// layer.DamageError.
func (r StoredRoot) verify(t *tree.Tree, want *sums.Expected, clamp int64) error {
	wrong, err := verified(t, want, clamp)
	if err != nil {
		return err
	}
	if wrong != nil {
		return r.Store.FindDamage(r.Layer, wrong.path, wrong.what)
	}
	return nil
}

// withDevices adds the device nodes, which cannot be made in a user namespace.
func withDevices(t *tree.Tree, devices []layer.Device, clamp int64) *tree.Tree {
	var nodes []tree.Entry
	for _, d := range devices {
		dir, err := t.Lookup(path.Dir("/" + d.Path)) // the path may lead through links
		if err != nil || dir.Type() != tree.Dir {
			continue
		}
		mode := uint32(tree.Char)
		if d.Block {
			mode = tree.Block
		}
		e := tree.Entry{
			Path: path.Join(dir.Path, path.Base(d.Path)), Mode: mode | d.Mode, UID: uint32(d.UID), GID: uint32(d.GID),
			Rdev: tree.Device{Major: uint32(d.Major), Minor: uint32(d.Minor)}, Mtime: d.ModTime.Unix(), MtimeNsec: int32(d.ModTime.Nanosecond()),
		}
		if clamp != 0 && d.ModTime.Unix() >= clamp {
			e.Mtime, e.MtimeNsec = clamp, 0
		}
		nodes = append(nodes, e)
	}
	return t.With(nodes)
}
