// SPDX-License-Identifier: MPL-2.0

package diskcmd

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

// writeStored writes disks some stages of which are in the store, inside the
// namespaces.
func (c *diskCommand) writeStored(cmd *cobra.Command, j *diskJob, view render.Display) error {
	mode := os.FileMode(0)
	if userns.Inside(c.Getenv) {
		mode = c.OutputMode
	}
	return localstore.With(c.App, cmd, false, func(ctx context.Context, s *layer.Store, _ layer.Paths, _ cli.Dirs) error {
		return c.write(ctx, j, mode, func(source string) (compose.RootFS, error) { return c.storedRoot(ctx, s, source) }, view)
	})
}

// storedRoot is the root file system of a stage in the store.
func (c *diskCommand) storedRoot(ctx context.Context, s *layer.Store, source string) (compose.RootFS, error) {
	name, err := localstore.StageImage(c.App, s, false, strings.TrimPrefix(source, "containers-storage:"))
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
	if r := c.Rung(ctx); r.Apart {
		return nil, &remedy.Error{
			Tried: fmt.Sprintf("files of stages that were built in sandbox %s do not have the right owners", r.Name),
			Cure:  "carosbuild export STAGE --to oci:DIR, and then carosbuild disk oci:DIR; or write the disk in the same run that builds the stage, with --out",
		}
	}
	return compose.StoredRoot{Store: s, Layer: img.Top}, nil
}
