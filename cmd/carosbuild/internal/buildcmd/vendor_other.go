// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package buildcmd

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
)

// beforehand has nothing to do: steps run on Linux only, and the plan was refused.
func (c *vendorCommand) beforehand(_ *cobra.Command, _ *buildJob, _ string, view render.Display) error {
	view.Close()
	return nil
}
