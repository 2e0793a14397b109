// SPDX-License-Identifier: MPL-2.0

package imagecmd

import (
	"context"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/oci"
)

// pullCommand is "carosbuild pull".
type pullCommand struct {
	*cli.App
	source  string
	arch    string
	archSet bool
	buildID string // "" for the image's own name alone
	stage   string // its full name as an image
	to      string // "" for the store
}

// NewPull is "carosbuild pull".
func NewPull(a *cli.App) *cobra.Command {
	c := &pullCommand{App: a}
	cmd := &cobra.Command{
		ValidArgsFunction: complete.Args(a, complete.Files, complete.Nothing),
		Use:               "pull SOURCE [BUILDID:STAGE] | SOURCE --to oci:DIR[:TAG]",
		Short:             "Fetch an image from a registry, a directory or an archive into the store",
		Long: `Fetch an image from a registry, a directory or an archive into the store, where
"carosbuild shell" and podman find it under its name, and under BUILDID:STAGE if
that is given.

With --to, write it to a directory or an archive instead. This needs neither a user
namespace nor subordinate ids, and works on macOS and Windows too.`,
		Example: `  carosbuild pull registry.example.org/caros/base:failed
  carosbuild shell registry.example.org/caros/base:failed
  carosbuild pull oci:some/directory theirs:020-caros
  carosbuild pull registry.example.org/caros/base:1 --to oci:some/directory`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return cli.Usagef("usage: carosbuild %s", cmd.Use)
			}
			if err := oci.CheckReference(args[0]); err != nil || args[0] == "scratch" {
				return cli.Usagef("%q is not the name of an image", args[0])
			}
			c.source, c.archSet = args[0], cmd.Flags().Changed("arch")
			if c.to != "" && len(args) == 2 {
				return cli.Usagef("BUILDID:STAGE is a name in the store: leave it out with --to")
			}
			if len(args) == 2 {
				if err := c.setStage(args[1]); err != nil {
					return err
				}
			}
			if c.to != "" {
				return c.write(cmd.Context())
			}
			return c.store(cmd)
		},
	}
	cmd.Flags().StringVar(&c.to, "to", "", "write it there instead: oci:DIR[:TAG] or docker-archive:FILE[:NAME]")
	cmd.Flags().StringVar(&c.arch, "arch", runtime.GOARCH, "which image of several, such as amd64, armhf or arm/v6 (default this machine's)")
	cmd.Flags().Lookup("arch").DefValue = "" // the same help everywhere
	a.ForeignFlag(cmd)
	return cmd
}

// setStage takes BUILDID:STAGE.
func (c *pullCommand) setStage(arg string) error {
	id, stage, ok := strings.Cut(arg, ":")
	full, err := oci.FullName(history.ImageName(id, stage))
	if !ok || err != nil || !cli.BuildIDs().MatchString(id) {
		return cli.Usagef("%q: want BUILDID:STAGE", arg)
	}
	c.buildID, c.stage = id, full
	return nil
}

// write writes the image to where --to says.
func (c *pullCommand) write(ctx context.Context) error {
	if err := checkTo(c.to); err != nil {
		return err
	}
	t := &transfer{compression: string(oci.Gzip), arch: c.arch}
	return t.elsewhere(ctx, c.App, c.source, exportTo(c.to))
}
