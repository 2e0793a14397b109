// SPDX-License-Identifier: MPL-2.0

package main

import (
	"github.com/spf13/cobra"
)

func (a *app) command() *cobra.Command {
	root := newBuildCommand(a).command("carosbuild FILE...")
	root.Short = "Turn an XML declaration into stage images and bootable disks"
	root.Long = ""
	root.Version = buildVersion()
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRun = func(*cobra.Command, []string) { a.divert() }
	root.SetFlagErrorFunc(a.flagError)
	root.PersistentFlags().StringVar(&a.progress, "progress", a.env("PROGRESS", "auto"), "how to show progress: auto, tty, plain, json or quiet")
	root.PersistentFlags().StringVar(&a.runtime, "runtime", a.env("RUNTIME", ""), "OCI runtime to run steps with (default runc, else crun)")
	root.AddCommand(
		newBuildCommand(a).command("build FILE..."), planCommand(a), whyCommand(a), lockCommand(a), newCheckoutCommand(a), kasCommand(a), importCommand(a), schemaCommand(a),
		newDiskCommand(a), inspectCommand(a), diffCommand(a), newBootCommand(a),
		feedCommand(a), targetsCommand(a), versionCommand(a), manCommand(a),
	)
	root.AddCommand(storeCommands(a)...)
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "Write a script that makes a shell complete commands, builds, disks and files"
		}
	}
	a.foldHelp(root)
	a.completeFlags(root)
	for _, name := range []string{"progress", "runtime"} {
		a.completeFlag(root, root.PersistentFlags().Lookup(name))
	}
	return root
}
