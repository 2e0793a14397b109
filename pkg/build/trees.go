// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/layer"
)

// stageTrees reads the root file systems of stages, each once.
type stageTrees struct {
	engine *Engine
	result *Result
	trees  map[string]*tree.Tree
	undo   []func() error
}

// get is the tree of a stage. It is valid until release.
func (s *stageTrees) get(ctx context.Context, stage string) (*tree.Tree, error) {
	if t, ok := s.trees[stage]; ok {
		return t, nil
	}
	r, ok := s.result.Stages[stage]
	if !ok {
		return nil, fmt.Errorf("stage %s is not part of the build", stage)
	}
	root, release, err := s.engine.Store.View(ctx, r.Layer)
	if err != nil {
		return nil, err
	}
	s.undo = append(s.undo, release)
	src, err := tree.OpenDir(root)
	if err != nil {
		return nil, err
	}
	s.undo = append(s.undo, src.Close)
	clamp := int64(0)
	if s.engine.Epoch != nil {
		clamp = *s.engine.Epoch
	}
	var t *tree.Tree
	var devices []layer.Device
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		devices, err = s.engine.Store.Devices(r.Layer) // reads the headers of all layers
		return err
	})
	g.Go(func() (err error) {
		t, err = src.Read(gctx, clamp, s.engine.Jobs+1)
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	s.trees[stage] = withDevices(t, devices)
	return s.trees[stage], nil
}

// withDevices adds the device nodes, which no directory of a user namespace
// can hold.
func withDevices(t *tree.Tree, devices []layer.Device) *tree.Tree {
	if len(devices) == 0 {
		return t
	}
	out := &tree.Tree{Entries: slices.Clone(t.Entries)}
	for _, d := range devices {
		if _, err := t.Lookup(d.Path); err == nil {
			continue // something else has its name in the end
		}
		mode := uint32(tree.Char)
		if d.Block {
			mode = tree.Block
		}
		out.Entries = append(out.Entries, tree.Entry{
			Path: d.Path, Mode: mode | d.Mode, UID: uint32(d.UID), GID: uint32(d.GID),
			Rdev: tree.Device{Major: uint32(d.Major), Minor: uint32(d.Minor)}, Mtime: d.ModTime.Unix(), MtimeNsec: int32(d.ModTime.Nanosecond()),
		})
	}
	slices.SortFunc(out.Entries, func(a, b tree.Entry) int { return tree.Compare(a.Path, b.Path) })
	return out
}

// release ends the use of all trees.
func (s *stageTrees) release() error {
	var err error
	for _, f := range slices.Backward(s.undo) {
		err = errors.Join(err, f())
	}
	s.undo = nil
	return err
}
