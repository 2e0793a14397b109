// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/pkg/layer"
)

// start does not come to be called: checkPlace has ended the build.
func (c *buildCommand) start(*cobra.Command, *job, display) error { return needsLinux("a build") }

// resume has nothing to do: there are no namespaces.
func (c *buildCommand) resume(context.Context) (bool, error) { return false, nil }

// showPlan prints the plan.
func (c *buildCommand) showPlan(_ *cobra.Command, j *job) error { return c.printPlan(j, nil) }

// records has nothing: no step has run on this system.
type records struct{}

// Lookup finds nothing.
func (*records) Lookup(string) (layer.Record, bool, error) { return layer.Record{}, false, nil }

func (j *job) openRecords() { j.records = &records{} }
