// SPDX-License-Identifier: MPL-2.0

package resultcmd

import (
	"context"
	"errors"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/results"
)

// sourceHelp describes what results and serve take besides builds.
const sourceHelp = `In place of BUILDID[:STAGE] there may be an image that is not in the store:
oci:DIR[:TAG], docker-archive:FILE[:NAME] or
docker://REGISTRY/REPOSITORY[:TAG|@DIGEST]. Reading it needs neither a user
namespace nor subordinate ids, and works on macOS and Windows too.`

// source opens what results and serve take: a build in the store or an image from
// elsewhere.
type source struct{ arch string }

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.arch, "arch", "", "which image of several, where it is not in the store, such as amd64, armhf or arm/v6 (default this machine's)")
}

// with calls f with what name names.
func (s *source) with(a *cli.App, cmd *cobra.Command, name string, f func(ctx context.Context, b *build, d cli.Dirs) error) (err error) {
	if !cli.IsElsewhere(name) {
		return withStored(a, cmd, name, f)
	}
	d, err := a.Dirs()
	if err != nil {
		return err
	}
	b, err := s.openImage(cmd.Context(), a, d, name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	return f(cmd.Context(), b, d)
}

// openImage reads an image from elsewhere as a build with one stage.
func (s *source) openImage(ctx context.Context, a *cli.App, d cli.Dirs, ref string) (*build, error) {
	view, err := a.NewDisplay()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	reg := a.Registry(layer.Paths{})
	reg.Events = a.Transfers(view)
	tars, err := reg.OpenTars(ctx, ref, s.arch, d.Layers())
	if err != nil {
		return nil, err
	}
	image, err := tars.Stored("")
	if err != nil {
		return nil, errors.Join(err, tars.Close())
	}
	t, err := compose.MergeTars(ctx, tars, ref, 0, runtime.NumCPU(), nil)
	if err != nil {
		return nil, errors.Join(err, tars.Close())
	}
	none := func() error { return nil }
	root := results.TreeRoot(t, image.ID, tars.Close)
	return &build{
		id: ref, stage: "image", only: true, image: true, roots: map[string]*results.Root{},
		open: func(context.Context, string) (*results.Root, func() error, error) { return root, none, nil },
	}, nil
}
