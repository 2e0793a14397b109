// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/disk/tree"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/rung"
	"github.com/carosio/carosbuild/pkg/userns"
)

// writeStored writes disks of which some stages are in the store, inside the
// namespaces.
func (c *diskCommand) writeStored(cmd *cobra.Command, j *diskJob, view render.Display) error {
	mode := os.FileMode(0)
	if userns.Inside(c.Getenv) {
		mode = c.OutputMode
	}
	return localstore.With(c.App, cmd, false, func(ctx context.Context, s *layer.Store, _ layer.Paths, d cli.Dirs) (err error) {
		var stored rung.Stored
		if r := c.Rung(ctx); r.Stored != nil {
			if stored, err = r.Stored(s, d.State); err != nil {
				return err
			}
			defer func() { err = errors.Join(err, stored.Close()) }()
		}
		return c.write(ctx, j, mode, func(source string) (compose.RootFS, error) { return c.storedRoot(ctx, s, stored, source) }, view)
	})
}

// StoredTree is the root file system of a stage whose metadata differs from that of its
// files on disk.
type StoredTree struct {
	Of    rung.Stored
	Layer string
}

// Tree implements compose.RootFS.
func (t StoredTree) Tree(ctx context.Context, clamp int64, jobs int) (*tree.Tree, func() error, error) {
	return t.Of.Tree(ctx, t.Layer, clamp, jobs)
}

// storedRoot is the root file system of a stage in the store. stored has the metadata of
// the layers; nil: that of their files.
func (c *diskCommand) storedRoot(ctx context.Context, s *layer.Store, stored rung.Stored, source string) (compose.RootFS, error) {
	name, err := localstore.StageImage(ctx, c.App, s, false, strings.TrimPrefix(source, "containers-storage:"))
	if err != nil {
		return nil, err
	}
	img, ok, err := s.ImageByName(name)
	if err == nil && !ok {
		err = fmt.Errorf("image %s: %w", name, layer.ErrUnknown)
	}
	if err != nil {
		return nil, err
	}
	if stored != nil {
		return StoredTree{Of: stored, Layer: img.Top}, nil
	}
	return compose.StoredRoot{Store: s, Layer: img.Top}, nil
}
