// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import "github.com/spf13/cobra"

// writeStored says why there is nothing to write.
func (c *diskCommand) writeStored(*cobra.Command, *diskJob, display) error {
	return needsLinux("a disk of a stage in the store")
}
