// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package imagecmd

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// store says that there is no store.
func (c *pullCommand) store(*cobra.Command) error {
	return cli.NeedsLinux("carosbuild pull without --to")
}
