// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/imagecmd"
)

// storeCommands are those that work with the store of images. Push and export take
// images from elsewhere too; each of the others says that it needs Linux.
func storeCommands(a *cli.App) []*cobra.Command {
	all := []*cobra.Command{imagecmd.NewPush(a), imagecmd.NewExport(a)}
	for _, name := range []string{"images", "prune", "shell", "pull", "results", "serve", "release", "doctor"} {
		all = append(all, &cobra.Command{
			Use: name, Short: "Needs Linux", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return cli.NeedsLinux("carosbuild " + name) },
		})
	}
	return all
}
