// SPDX-License-Identifier: MPL-2.0

package main

import "github.com/spf13/cobra"

// storeCommands are the commands that work with the store of images, or try what
// builds need.
func storeCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		imagesCommand(a), newPruneCommand(a), shellCommand(a), pushCommand(a), newPullCommand(a), exportCommand(a),
		newResultsCommand(a), newServeCommand(a), newReleaseCommand(a), doctorCommand(a),
	}
}
