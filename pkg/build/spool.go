// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package build

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/disk/tree"
)

// spool makes a file for data on its way. It has no name, and is gone when the
// disk is written.
func (c *composer) spool() (disk.Spool, error) { return c.scratch() }

func (c *composer) scratch() (*os.File, error) {
	f, err := os.CreateTemp(c.engine.CacheDir, "spool-")
	if err != nil {
		return nil, err
	}
	c.trees.undo = append(c.trees.undo, f.Close)
	return f, os.Remove(f.Name())
}

// archive is the content of a tar archive in a stage, compressed or not.
func (c *composer) archive(ctx context.Context, stage string, e *tree.Entry) (*tree.Tree, error) {
	in, packed, err := disk.Decompress(io.NewSectionReader(e.Content, 0, e.Size))
	if err != nil {
		return nil, fmt.Errorf("stage %s: /%s: %w", stage, e.Path, err)
	}
	content, size := e.Content, e.Size
	if packed {
		f, err := c.scratch()
		if err != nil {
			return nil, err
		}
		if size, err = io.Copy(f, &contextReader{ctx, in}); err != nil {
			return nil, fmt.Errorf("stage %s: unpack /%s: %w", stage, e.Path, err)
		}
		content = f
	}
	l := tree.Layer{Name: "stage " + stage + ": /" + e.Path, Tar: content, Size: size, Plain: true}
	return tree.Merge(ctx, []tree.Layer{l}, c.trees.clamp, c.trees.jobs)
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context // of one copy
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
