// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/decl"
)

// kasFlags are those that say what a project of kas leaves open.
func (a *app) kasFlags(f *pflag.FlagSet) {
	f.StringVar(&a.kas.from, "from", "", "image that bitbake runs in (default a Debian 12 with the programs that it wants)")
	f.StringVar(&a.kas.base, "base", "", "repository with oe-init-build-env, by its name in the project, where it is not found out")
}

func kasCommand(a *app) *cobra.Command {
	c := &buildCommand{app: a}
	cmd := c.command("kas PROJECT.yml[:MORE.yml...] [OVERLAY.xml...]")
	cmd.Short = "Build a project of kas, and a disk from it"
	cmd.Long = `Build a project of kas: its repositories become layers, its settings local.conf
and bblayers.conf, and its targets a stage that runs bitbake. Declarations behind
it are laid over what is made of it. Lock files of kas count, unless --update is
given. What a project says and carosbuild does not do is a warning or an error.

The environment's KAS_WORK_DIR, KAS_MACHINE, KAS_DISTRO, KAS_TARGET and KAS_TASK
count as they do for kas. Other commands take PROJECT.yml as a declaration, too.`
	cmd.Example = `  carosbuild kas project.yml
  carosbuild kas project.yml:debug.yml site.xml
  carosbuild kas project.yml --from registry.example.org/yocto-host:12
  carosbuild import project.yml > project.xml`
	cmd.ValidArgsFunction = a.completeArgs(kasArg, declArg)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usagef("no project file is named")
		}
		if kasFiles(args[0]) == nil {
			return usagef("%s is not a project of kas: its name ends in .yml, .yaml or .json", args[0])
		}
		return run(cmd, args)
	}
	a.kasFlags(cmd.Flags())
	return cmd
}

func importCommand(a *app) *cobra.Command {
	c := &buildCommand{app: a}
	cmd := &cobra.Command{
		Use:   "import PROJECT.yml[:MORE.yml...]",
		Short: "Print the declaration that is made of a project of kas",
		Long: `Print the declaration that is made of a project of kas, to be kept beside the
project and changed. What a project says and carosbuild does not do is a warning
or an error.`,
		Example:           `  carosbuild import project.yml > project.xml`,
		Args:              exactly(1),
		ValidArgsFunction: a.completeArgs(kasArg, noArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.importFile(cmd.Context(), args[0])
		},
	}
	c.remoteFlag(cmd)
	cmd.Flags().BoolVar(&c.update, "update", false, "leave lock files of kas out")
	a.kasFlags(cmd.Flags())
	return cmd
}

// importFile prints a file of another program as a declaration.
func (c *buildCommand) importFile(ctx context.Context, name string) error {
	files := kasFiles(name)
	if files == nil {
		return usagef("%s is not a project of kas: its name ends in .yml, .yaml or .json", name)
	}
	where, err := c.dirs()
	if err != nil {
		return err
	}
	c.kas.remotes, c.kas.update = c.remotes, c.update
	src, from, err := c.readKas(ctx, files, where.cache)
	if err != nil {
		return err
	}
	d, findings := decl.Parse(src)
	from.Relocate(src.Name, d, findings)
	if findings.HasErrors() {
		c.files = append(c.files, src)
		return &build.DeclarationError{Findings: findings}
	}
	_, err = c.stdout.Write(src.Data)
	return err
}
