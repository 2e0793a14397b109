// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/build"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/wks"
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
	c := &importing{buildCommand: &buildCommand{app: a}}
	cmd := &cobra.Command{
		Use:   "import PROJECT.yml[:MORE.yml...] | IMAGE.wks",
		Short: "Print the declaration that is made of a project of kas or a kickstart file of wic",
		Long: `Print the declaration that is made of a project of kas, or the disk that is made
of a kickstart file of wic, to be kept beside the original and changed. What the
original says and carosbuild does not do is a warning or an error.

A disk of a kickstart file takes its parts from what bitbake has deployed, in the
stage that it is laid over. Options --from, --base, --remote and --update are of
projects, --set and --arch of kickstart files.`,
		Example: `  carosbuild import project.yml > project.xml
  carosbuild import genericx86.wks.in --set EFI_PROVIDER=systemd-boot > disk.xml
  carosbuild project.xml disk.xml --out image.vmdk`,
		Args:              exactly(1),
		ValidArgsFunction: a.completeArgs(importArg, noArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isKickstart(args[0]) {
				return c.kickstart(args[0])
			}
			return c.project(cmd.Context(), args[0])
		},
	}
	c.remoteFlag(cmd)
	f := cmd.Flags()
	f.BoolVar(&c.update, "update", false, "leave lock files of kas out")
	f.StringArrayVar(&c.set, "set", nil, "NAME=VALUE: what ${NAME} in a kickstart file stands for; may be repeated")
	f.StringVar(&c.arch, "arch", "", "architecture that the boot loaders for UEFI are named after (default amd64)")
	a.kasFlags(f)
	return cmd
}

// importing is "carosbuild import".
type importing struct {
	*buildCommand
	set  []string
	arch string
}

// project prints a project of kas as a declaration.
func (c *importing) project(ctx context.Context, name string) error {
	files := kasFiles(name)
	if files == nil {
		return usagef("%s is neither a project of kas (.yml, .yaml, .json) nor a kickstart file (.wks, .wks.in)", name)
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

// kickstartEndings are those of the names of kickstart files.
var kickstartEndings = []string{".wks", ".wks.in"}

func isKickstart(name string) bool {
	return slices.ContainsFunc(kickstartEndings, func(e string) bool { return strings.HasSuffix(name, e) })
}

// kickstart prints a kickstart file as a disk.
func (c *importing) kickstart(name string) error {
	o := wks.Options{Arch: c.arch, Vars: map[string]string{}}
	for _, s := range c.set {
		k, v, ok := strings.Cut(s, "=")
		if !ok {
			return usagef("--set %q: want NAME=VALUE", s)
		}
		o.Vars[k] = v
	}
	o.ID = filepath.Base(strings.TrimSuffix(strings.TrimSuffix(name, ".in"), ".wks"))
	o.Include = func(name, from string) (decl.Source, error) {
		return readKickstart(filepath.Join(filepath.Dir(from), name))
	}
	src, err := readKickstart(name)
	if err != nil {
		return usageError{err}
	}
	xml, sources, findings := wks.Read(src, o)
	c.origins = append(c.origins, sources...)
	if findings.HasErrors() {
		return &build.DeclarationError{Findings: findings}
	}
	if err := c.showFindings(findings); err != nil {
		return err
	}
	_, err = c.stdout.Write(xml)
	return err
}

// readKickstart reads a file; a pipe would be waited for.
func readKickstart(name string) (decl.Source, error) {
	st, err := os.Stat(name)
	if err != nil {
		return decl.Source{}, err
	}
	if !st.Mode().IsRegular() {
		return decl.Source{}, fmt.Errorf("%s is not a regular file", name)
	}
	return readFile(name)
}
