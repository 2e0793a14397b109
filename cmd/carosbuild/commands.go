// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/buildcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/diskcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/feedcmd"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/importcmd"
)

// commandFor is command for a command line: what a shell asks for to complete one is
// put together only where a shell asks.
func commandFor(a *cli.App, args []string) *cobra.Command {
	root := command(a)
	if complete.Asked(args) {
		complete.Flags(a, root)
	}
	return root
}

// command is the program with all of its commands.
func command(a *cli.App) *cobra.Command {
	root := buildcmd.NewBuild(a, "carosbuild FILE...")
	root.Short = "Turn an XML declaration into stage images and bootable disks"
	root.Long = ""
	root.Version = buildVersion()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		a.Divert()
		if f := cmd.Flags().Lookup("vendor"); f != nil && f.Changed && f.Value.String() == "" { // such as an unset variable
			return cli.Usagef("--vendor: the name of a folder is missing")
		}
		return a.CheckSandbox()
	}
	root.SetFlagErrorFunc(a.FlagError)
	root.PersistentFlags().StringVar(&a.Progress, "progress", a.Env("PROGRESS", "auto"), "how to show progress: auto, tty, plain, json or quiet")
	a.SandboxFlags(root)
	root.AddCommand(
		buildcmd.NewBuild(a, "build FILE..."), buildcmd.NewPlan(a), buildcmd.NewWhy(a), buildcmd.NewLock(a), buildcmd.NewVendor(a), buildcmd.NewCheckout(a), buildcmd.NewKas(a), importcmd.New(a), schemaCommand(a),
		diskcmd.NewDisk(a), diskcmd.NewInspect(a), diskcmd.NewDiff(a), diskcmd.NewBoot(a),
		feedcmd.New(a), targetsCommand(a), versionCommand(a), manCommand(a),
	)
	root.AddCommand(storeCommands(a)...)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "Print a script for completion in a shell: of commands, builds, disks and files"
		}
	}
	foldHelp(a, root)
	return root
}
