// SPDX-License-Identifier: MPL-2.0

package buildcmd

import (
	"github.com/spf13/cobra"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
)

// NewKas is "carosbuild kas".
func NewKas(a *cli.App) *cobra.Command {
	c := newBuild(a)
	cmd := c.command("kas PROJECT.yml[:MORE.yml...] [OVERLAY.xml...]")
	cmd.Short = "Build a kas project, and a disk from it"
	cmd.Long = `Build a kas project: its repositories become layers, its settings local.conf
and bblayers.conf, and its targets a stage that runs bitbake. Declarations that
follow it are overlays. The lock files of kas are used unless --update is given.
Whatever in a project carosbuild does not support is a warning or an error.

The environment's KAS_WORK_DIR, KAS_MACHINE, KAS_DISTRO, KAS_TARGET and KAS_TASK
count as they do for kas; -t names a stage, and KAS_TARGET another target of
bitbake. Other commands take PROJECT.yml as a declaration, too.`
	cmd.Example = `  carosbuild kas project.yml
  carosbuild kas project.yml:debug.yml site.xml
  carosbuild kas project.yml --from registry.example.org/yocto-host:12
  carosbuild import project.yml > project.xml`
	cmd.ValidArgsFunction = complete.Args(a, complete.Projects, complete.Declarations)
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := declfile.CheckKasArgs(args); err != nil {
			return err
		}
		return run(cmd, args)
	}
	for _, name := range declfile.KasOptions { // which other commands hide
		cmd.Flags().Lookup(name).Hidden = false
	}
	return cmd
}
