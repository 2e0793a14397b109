// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/buildcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/doctorcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/imagecmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/resultcmd"
)

// storeCommands are the commands that work with the store of images, or try what
// builds need.
func storeCommands(a *cli.App) []*cobra.Command {
	a.StoreDir = func() string { return localstore.StoreDir(a) }
	return []*cobra.Command{
		imagecmd.NewImages(a), imagecmd.NewPrune(a), imagecmd.NewDu(a), imagecmd.NewFsck(a), buildcmd.NewShell(a), buildcmd.NewResume(a), imagecmd.NewPush(a), imagecmd.NewPull(a), imagecmd.NewExport(a),
		resultcmd.NewResults(a), resultcmd.NewServe(a), resultcmd.NewRelease(a), resultcmd.NewLogs(a), resultcmd.NewReport(a), doctorcmd.New(a),
	}
}
