// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
)

// NewPush is "carosbuild push".
func NewPush(a *cli.App) *cobra.Command {
	t := &transfer{}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "push BUILDID[:STAGE] REGISTRY/REPOSITORY[:TAG]",
		Short:             "Push the image of a stage to a registry",
		Long:              "Push the image of a stage to a registry.\n\n" + sourceHelp,
		Example: "  carosbuild push 2026-11-23-101500-me:020-caros registry.example.org/caros/base:1\n" +
			"  carosbuild push oci:some/directory registry.example.org/caros/base:1",
		Args: cli.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := registry.CheckDestination(args[1]); err != nil {
				return cli.Usage(err)
			}
			return t.run(a, cmd, args[0], func(ctx context.Context, from oci.Images, r registry.Client, image string, o oci.PushOptions) error {
				h, err := r.Push(ctx, from, image, args[1], o)
				if err == nil {
					_, err = fmt.Fprintf(a.Stdout, "%s@%s\n", strings.TrimPrefix(args[1], "docker://"), h)
				}
				return err
			})
		},
	}
	t.flags(a, cmd, "compression of the layers: gzip or zstd")
	return cmd
}

// NewExport is "carosbuild export".
func NewExport(a *cli.App) *cobra.Command {
	var to string
	t := &transfer{}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Stages, complete.Nothing),
		Use:               "export BUILDID[:STAGE] --to oci:DIR[:TAG]|docker-archive:FILE[:NAME]",
		Short:             "Write the image of a stage to a directory or an archive",
		Long:              "Write the image of a stage to a directory or an archive.\n\n" + sourceHelp,
		Example: "  carosbuild export 2026-11-23-101500-me:020-caros --to oci:out\n" +
			"  carosbuild export docker://registry.example.org/caros/base:1 --to oci:out",
		Args: cli.Exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkTo(to); err != nil {
				return err
			}
			return t.run(a, cmd, args[0], exportTo(to))
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "destination: oci:DIR[:TAG] or docker-archive:FILE[:NAME]")
	t.flags(a, cmd, "compression of the layers in an OCI layout: gzip or zstd")
	return cmd
}

// checkTo refuses what is neither a layout nor an archive.
func checkTo(to string) error {
	if !strings.HasPrefix(to, "oci:") && !strings.HasPrefix(to, "docker-archive:") {
		return cli.Usagef("--to %q: want oci:DIR[:TAG] or docker-archive:FILE[:NAME]", to)
	}
	return nil
}

// exportTo sends an image to a layout or an archive.
func exportTo(to string) send {
	return func(ctx context.Context, from oci.Images, r registry.Client, image string, o oci.PushOptions) error {
		return oci.Export(ctx, from, image, to, r.Transfer, o)
	}
}
