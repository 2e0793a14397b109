// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// sourceHelp says what push and export take, too.
const sourceHelp = `In place of BUILDID[:STAGE] there may be an image that is not in the store:
oci:DIR[:TAG], docker-archive:FILE[:NAME] or
docker://REGISTRY/REPOSITORY[:TAG|@DIGEST]. This needs neither a user namespace
nor subordinate ids.`

// transfer takes an image from where it is to somewhere else.
type transfer struct {
	compression string
	arch        string
}

// flags defines the flags of transfer; layers says what --compression is of.
func (t *transfer) flags(a *cli.App, cmd *cobra.Command, layers string) {
	cmd.Flags().StringVar(&t.compression, "compression", string(oci.Gzip), layers)
	cmd.Flags().StringVar(&t.arch, "arch", "", "which image of several, where it is not in the store, such as amd64, armhf or arm/v6 (default this machine's)")
	a.ForeignFlag(cmd)
}

// send sends an image of those that from has.
type send = func(ctx context.Context, from oci.Images, r registry.Client, image string, o oci.PushOptions) error

// run has the image sent that source names.
func (t *transfer) run(a *cli.App, cmd *cobra.Command, source string, f send) error {
	if cli.IsElsewhere(source) {
		return t.elsewhere(cmd.Context(), a, source, f)
	}
	return t.stored(a, cmd, source, f)
}

// elsewhere sends an image that is not in the store.
func (t *transfer) elsewhere(ctx context.Context, a *cli.App, source string, f send) (err error) {
	d, err := a.Dirs()
	if err != nil {
		return err
	}
	return t.with(a, d, layer.Paths{}, func(r registry.Client, o oci.PushOptions) (err error) {
		tars, err := r.OpenTars(ctx, source, t.arch, d.Layers())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, tars.Close()) }()
		return f(ctx, tars, r, source, o)
	})
}

// with calls f with the options that the flags mean, and shows the progress.
func (t *transfer) with(a *cli.App, d cli.Dirs, p layer.Paths, f func(registry.Client, oci.PushOptions) error) error {
	c := oci.Compression(t.compression)
	if c != oci.Gzip && c != oci.Zstd {
		return cli.Usagef("--compression %q: want gzip or zstd", t.compression)
	}
	view, err := a.NewDisplay()
	if err != nil {
		return err
	}
	defer view.Close()
	r := a.Registry(p)
	r.Events = a.Transfers(view)
	return f(r, oci.PushOptions{Cache: d.Blobs(), Compression: c})
}
