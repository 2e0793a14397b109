// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/rung"
)

// beforehand puts into a folder's parts of mirrors what cannot be told from the plan: what
// apt in steps fetches, and the kernel of virtual machines. The display is closed.
func (c *vendorCommand) beforehand(cmd *cobra.Command, j *buildJob, debian string, view render.Display) error {
	if c.steps {
		j.recorded = debian
		if err := c.start(cmd, j, view); err != nil {
			return err
		}
	}
	view.Close()
	if c.Sandbox != rung.VM || c.Kernel != "" {
		return nil
	}
	f, host, err := c.Debian(j.dirs)
	if err != nil {
		return err
	}
	return rung.ExportKernel(cmd.Context(), f, host, time.Now(), debian)
}
