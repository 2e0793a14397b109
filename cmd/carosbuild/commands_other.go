// SPDX-License-Identifier: MPL-2.0

//go:build !linux

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/imagecmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/resultcmd"
)

// storeCommands are those that work with the store of images. Some take images from
// elsewhere too; each of the others says that it needs Linux.
func storeCommands(a *cli.App) []*cobra.Command {
	all := []*cobra.Command{imagecmd.NewPush(a), imagecmd.NewPull(a), imagecmd.NewExport(a), resultcmd.NewResults(a), resultcmd.NewServe(a)}
	for _, name := range []string{"images", "prune", "du", "fsck", "shell", "release", "logs", "report", "doctor"} {
		all = append(all, &cobra.Command{
			Use: name, Short: "Needs Linux", DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error { return cli.NeedsLinux("carosbuild " + name) },
		})
	}
	return all
}
