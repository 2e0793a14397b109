// SPDX-License-Identifier: MPL-2.0

package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/content"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/freshfile"
)

// spool makes a file for intermediate data. It has no name, and is gone when the
// disk is written.
func (c *composer) spool() (disk.Spool, error) { return c.scratch() }

func (c *composer) scratch() (*os.File, error) {
	f, err := freshfile.Scratch(c.CacheDir)
	if err != nil {
		return nil, err
	}
	c.trees.undo = append(c.trees.undo, f.Close)
	return f, nil
}

// archive is the tree in an archive of a stage, or in an image of a file system or
// disk, compressed or not.
func (c *composer) archive(ctx context.Context, stage string, e *tree.Entry) (*tree.Tree, error) {
	return c.within(ctx, stage, e, "")
}

// within is archive for one partition of a disk; "" is the partition with the
// system.
func (c *composer) within(ctx context.Context, stage string, e *tree.Entry, partition string) (*tree.Tree, error) {
	key := stage + "\x00" + e.Path
	s, ok := c.trees.unpacked[key]
	if !ok {
		s = content.Source{Name: "stage " + stage + ": /" + e.Path, Content: e.Content, Size: e.Size, Scratch: c.scratch}
		var err error
		if s, err = s.Unpack(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		c.trees.unpacked[key] = s
	}
	t, err := s.Tree(ctx, content.Options{Partition: partition, Clamp: c.trees.clamp, Jobs: c.trees.jobs})
	var choice *content.ChoiceError
	if errors.As(err, &choice) {
		err = fmt.Errorf("%w: write path=%q, with the number, name or label of one of them", err, "/"+e.Path+":"+choice.Example)
	}
	return t, err
}

// packed is the base of a partition whose path leads to the archive or image e or,
// with inside, into a disk: PARTITION or PARTITION:/DIRECTORY.
func (c *composer) packed(ctx context.Context, p *decl.Partition, stage string, e *tree.Entry, inside string) (*tree.Tree, error) {
	partition, dir, _ := strings.Cut(inside, ":/")
	var t *tree.Tree
	var err error
	if partition == "" {
		t, err = c.archive(ctx, stage, e)
	} else {
		t, err = c.within(ctx, stage, e, partition)
	}
	if err != nil {
		return nil, err
	}
	top, err := t.Lookup(dir)
	if err != nil {
		return nil, fmt.Errorf("stage %s: /%s:%s: %w", stage, e.Path, inside, err)
	}
	c.noteOwn(p, top.Path, t)
	t, err = c.generalized(t).Sub(top.Path)
	if err != nil {
		return nil, fmt.Errorf("stage %s: /%s:%s: %w", stage, e.Path, inside, err)
	}
	return t, nil
}

// splitPath is the only path in a tree that a partition's path matches. If only the
// part before a colon exists, it also returns the part after the colon.
func splitPath(t *tree.Tree, stage, name string) (file, inside string, err error) {
	file, err = onePath(t, stage, name)
	for i, r := range name {
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
		if r != ':' {
			continue
		}
		f, ferr := onePath(t, stage, name[:i])
		if !errors.Is(ferr, fs.ErrNotExist) {
			return f, name[i+1:], ferr
		}
	}
	return file, "", err
}
