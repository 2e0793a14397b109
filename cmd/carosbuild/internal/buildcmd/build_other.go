// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package buildcmd

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/engine"
)

// start does not come to be called: checkPlace has ended the build.
func (c *buildCommand) start(*cobra.Command, *buildJob, render.Display) error {
	return cli.NeedsLinux("a build")
}

// inside has nothing to do: there are no namespaces.
func (c *buildCommand) inside(context.Context, *cobra.Command) (bool, error) { return false, nil }

func (c *buildCommand) skipSteps(*buildJob) error { return nil }

// showPlan prints the plan.
func (c *buildCommand) showPlan(_ *cobra.Command, j *buildJob) error { return c.printPlan(j, nil) }

// openCache makes a cache that is empty: no step has run on this system.
func (j *buildJob) openCache() { j.cache = noSteps{} }

type noSteps struct{}

func (noSteps) Has(context.Context, string) (bool, error) { return false, nil }

func (noSteps) Lookup(context.Context, string) (engine.State, bool, error) {
	return engine.State{}, false, nil
}

func (noSteps) Put(context.Context, string, engine.State) error { return errors.ErrUnsupported }

// terminal reports that no shell can be opened.
func (c *buildCommand) terminal() bool { return false }
