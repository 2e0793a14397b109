// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/layer"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// NewPush is "carosbuild push".
func NewPush(a *cli.App) *cobra.Command {
	var compression string
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "push BUILDID[:STAGE] REGISTRY/REPOSITORY[:TAG]",
		Short:             "Push the image of a stage to a registry",
		Example:           "  carosbuild push 2026-11-23-101500-me:020-caros registry.example.org/caros/base:1",
		Args:              cli.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkDestination(args[1]); err != nil {
				return err
			}
			return transfer(a, cmd, args[0], compression, func(ctx context.Context, s *layer.Store, r registry.Client, image string, o oci.PushOptions) error {
				h, err := r.Push(ctx, s, image, args[1], o)
				if err == nil {
					_, err = fmt.Fprintf(a.Stdout, "%s@%s\n", strings.TrimPrefix(args[1], "docker://"), h)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&compression, "compression", string(oci.Gzip), "of the layers: gzip or zstd")
	a.ForeignFlag(cmd)
	return cmd
}

func pushOptions(d cli.Dirs, compression string) (oci.PushOptions, error) {
	c := oci.Compression(compression)
	if c != oci.Gzip && c != oci.Zstd {
		return oci.PushOptions{}, cli.Usagef("--compression %q: want gzip or zstd", compression)
	}
	return oci.PushOptions{Cache: d.Blobs(), Compression: c}, nil
}

// checkDestination refuses what would go to a public registry for want of a name.
func checkDestination(to string) error {
	name := strings.TrimPrefix(to, "docker://")
	registry, repository, _ := strings.Cut(name, "/")
	switch {
	case strings.HasPrefix(name, "https://"), strings.HasPrefix(name, "http://"):
		return cli.Usagef("push to %q: leave out the %s", to, name[:strings.Index(name, "//")+2])
	case repository == "":
		return cli.Usagef("push to %q: that is a registry, or a repository, alone: want REGISTRY/REPOSITORY[:TAG]", to)
	case !strings.ContainsAny(registry, ".:") && registry != "localhost":
		return cli.Usagef("push to %q: that names no registry; docker.io/%s is the public one", to, name)
	}
	return nil
}

// NewExport is "carosbuild export".
func NewExport(a *cli.App) *cobra.Command {
	var to, compression string
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "export BUILDID[:STAGE] --to oci:DIR[:TAG]|docker-archive:FILE[:NAME]",
		Short:             "Write the image of a stage to a directory or an archive",
		Example:           "  carosbuild export 2026-11-23-101500-me:020-caros --to oci:out",
		Args:              cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.HasPrefix(to, "oci:") && !strings.HasPrefix(to, "docker-archive:") {
				return cli.Usagef("--to %q: want oci:DIR[:TAG] or docker-archive:FILE[:NAME]", to)
			}
			return transfer(a, cmd, args[0], compression, func(ctx context.Context, s *layer.Store, r registry.Client, image string, o oci.PushOptions) error {
				return oci.Export(ctx, s, image, to, r.Transfer, o)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "where to: oci:DIR[:TAG] or docker-archive:FILE[:NAME]")
	cmd.Flags().StringVar(&compression, "compression", string(oci.Gzip), "of the layers of an OCI layout: gzip or zstd")
	a.ForeignFlag(cmd)
	return cmd
}

func transfer(a *cli.App, cmd *cobra.Command, name, compression string, f func(context.Context, *layer.Store, registry.Client, string, oci.PushOptions) error) error {
	return localstore.With(a, cmd, false, func(ctx context.Context, s *layer.Store, p layer.Paths, d cli.Dirs) error {
		image, err := localstore.StageImage(a, s, false, name)
		if err != nil {
			return err
		}
		o, err := pushOptions(d, compression)
		if err != nil {
			return err
		}
		view, err := a.NewDisplay()
		if err != nil {
			return err
		}
		defer view.Close()
		r := a.Registry(p)
		r.Events = a.Transfers(view)
		return f(ctx, s, r, image, o)
	})
}
