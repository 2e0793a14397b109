// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package diskcmd

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
)

// writeStored returns an error, since there is no store.
func (c *diskCommand) writeStored(*cobra.Command, *diskJob, render.Display) error {
	return cli.NeedsLinux("a disk of a stage in the store")
}
