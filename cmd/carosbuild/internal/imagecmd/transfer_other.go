// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package imagecmd

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// stored says that there is no store.
func (t *transfer) stored(_ *cli.App, cmd *cobra.Command, _ string, _ send) error {
	return cli.NeedsLinux("carosbuild " + cmd.Name() + " of a stage in the store")
}
