// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/carosio/carosbuild/pkg/disk/content"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/oci"
)

// RootFS locates the root file system of a stage. Tree reads it, with no time later
// than clamp (seconds since 1970; 0 leaves times unchanged), jobs pieces at a time;
// the tree is valid until the function returned with it is called. The same stage
// gives the same Tree wherever it is stored.
type RootFS interface {
	Tree(ctx context.Context, clamp int64, jobs int) (*tree.Tree, func() error, error)
}

// TarOpener opens the layers of an image as tar streams, wherever the image is.
type TarOpener interface {
	OpenTars(ctx context.Context, ref, arch string, cache oci.TarCache) (*oci.Tars, error)
}

// ImageRoot is the root file system of an image, read from its layers alone: from a
// registry, an OCI layout or a docker archive. It needs no namespace.
type ImageRoot struct {
	Registry TarOpener
	Ref      string
	Arch     string // "" for this machine's
	Cache    oci.TarCache
	Note     func(text string) // nil means none
}

// Tree implements RootFS.
func (r ImageRoot) Tree(ctx context.Context, clamp int64, jobs int) (*tree.Tree, func() error, error) {
	tars, err := r.Registry.OpenTars(ctx, r.Ref, r.Arch, r.Cache)
	if err != nil {
		return nil, nil, err
	}
	t, err := MergeTars(ctx, tars, r.Ref, clamp, jobs, r.Note)
	if err != nil {
		return nil, nil, errors.Join(err, tars.Close())
	}
	return t, tars.Close, nil
}

// MergeTars is the root file system of the image with the reference ref, read from its
// layers; clamp and jobs are as in RootFS.
func MergeTars(ctx context.Context, tars *oci.Tars, ref string, clamp int64, jobs int, note func(text string)) (*tree.Tree, error) {
	var layers []tree.Layer
	for _, l := range tars.Layers {
		from := tree.Layer{Name: "layer " + l.DiffID.String(), Tar: l, Size: l.Size}
		if note != nil {
			from.Note = func(text string) { note(ref + ": " + from.Name + ": " + text) }
		}
		layers = append(layers, from)
	}
	t, err := tree.Merge(ctx, layers, clamp, jobs)
	if err != nil {
		return nil, fmt.Errorf("read image %s: %w", ref, err)
	}
	return t, nil
}

// stageTrees reads the root file systems of stages, each once.
type stageTrees struct {
	roots map[string]RootFS
	clamp int64
	jobs  int
	trees map[string]*tree.Tree
	// unpacked are archives and images by stage and path, decompressed.
	unpacked map[string]content.Source
	undo     []func() error
}

// get returns the tree of a stage. It is valid until release.
func (s *stageTrees) get(ctx context.Context, stage string) (*tree.Tree, error) {
	if t, ok := s.trees[stage]; ok {
		return t, nil
	}
	root, ok := s.roots[stage]
	if stage == "" {
		return nil, errors.New("the disk names no stage")
	}
	if !ok {
		return nil, fmt.Errorf("stage %s is not part of the build", stage)
	}
	t, release, err := root.Tree(ctx, s.clamp, s.jobs)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", stage, err)
	}
	s.undo = append(s.undo, release)
	s.trees[stage] = t
	return t, nil
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
