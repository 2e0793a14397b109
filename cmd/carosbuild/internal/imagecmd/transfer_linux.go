// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// stored sends an image of the store.
func (t *transfer) stored(a *cli.App, cmd *cobra.Command, source string, f send) error {
	return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, p layer.Paths, d cli.Dirs) error {
		image, err := localstore.StageImage(ctx, a, s, false, source)
		if err != nil {
			return err
		}
		return t.with(a, d, p, func(r registry.Client, o oci.PushOptions) error { return f(ctx, s, r, image, o) })
	})
}
