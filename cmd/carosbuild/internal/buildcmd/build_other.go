// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package buildcmd

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/layer"
)

// start does not come to be called: checkPlace has ended the build.
func (c *buildCommand) start(*cobra.Command, *buildJob, render.Display) error {
	return cli.NeedsLinux("a build")
}

// resume has nothing to do: there are no namespaces.
func (c *buildCommand) resume(context.Context) (bool, error) { return false, nil }

// showPlan prints the plan.
func (c *buildCommand) showPlan(_ *cobra.Command, j *buildJob) error { return c.printPlan(j, nil) }

// stepRecords has nothing: no step has run on this system.
type stepRecords struct{}

// Lookup finds nothing.
func (*stepRecords) Lookup(string) (layer.Record, bool, error) { return layer.Record{}, false, nil }

func (j *buildJob) openRecords() { j.records = &stepRecords{} }
