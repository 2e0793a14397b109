// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package resultcmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// withStored says that there is no store.
func withStored(_ *cli.App, cmd *cobra.Command, _ string, _ func(context.Context, *build, cli.Dirs) error) error {
	return cli.NeedsLinux("carosbuild " + cmd.Name() + " of a build in the store")
}
