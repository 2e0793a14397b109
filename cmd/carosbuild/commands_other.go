// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
)

// storeCommands stand for those that work with the store of images: each says that
// it needs Linux.
func storeCommands(*cli.App) []*cobra.Command {
	var all []*cobra.Command
	for _, name := range []string{"images", "prune", "shell", "push", "pull", "export", "results", "serve", "release", "doctor"} {
		all = append(all, &cobra.Command{
			Use: name, Short: "Needs Linux", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return cli.NeedsLinux("carosbuild " + name) },
		})
	}
	return all
}
