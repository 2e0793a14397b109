// SPDX-License-Identifier: MPL-2.0

package importcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/load"
	"github.com/carosio/carosbuild/pkg/kas"
	"github.com/carosio/carosbuild/pkg/wks"
	"github.com/carosio/carosbuild/targets"
)

// New is "carosbuild import".
func New(a *cli.App) *cobra.Command {
	c := &importing{App: a}
	cmd := &cobra.Command{
		Use:   "import PROJECT.yml[:MORE.yml...] | IMAGE.wks",
		Short: "Print the declaration for a kas project or a wic kickstart file",
		Long: `Print the declaration for a kas project or a wic kickstart file, which you can keep
beside the original and change. Whatever in the original carosbuild does not support
is a warning or an error.

A disk from a kickstart file takes its parts from what bitbake has deployed in the
stage of the declaration that it is combined with. The options --from, --base,
--remote and --update apply to projects, --set and --arch to kickstart files.`,
		Example: `  carosbuild import project.yml > project.xml
  carosbuild import genericx86.wks.in --set EFI_PROVIDER=systemd-boot > disk.xml
  carosbuild project.xml disk.xml --out image.vmdk`,
		Args:              cli.Exactly(1),
		ValidArgsFunction: complete.Args(a, complete.Importable, complete.Nothing),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := importFlags(cmd.Flags(), args[0]); err != nil {
				return err
			}
			if declfile.IsKickstart(args[0]) {
				return c.kickstart(args[0])
			}
			return c.project(cmd.Context(), args[0])
		},
	}
	declfile.RemoteFlag(cmd.Flags(), &c.remotes)
	declfile.ConfineFlag(c.App, cmd.Flags())
	f := cmd.Flags()
	f.BoolVar(&c.update, "update", false, "ignore lock files of kas")
	f.StringArrayVar(&c.set, "set", nil, "NAME=VALUE: value of ${NAME} in a kickstart file; may be repeated")
	f.StringVar(&c.arch, "arch", "", "architecture of the boot loaders for UEFI (default amd64)")
	declfile.KasFlags(a, f)
	return cmd
}

// importFlags refuses options that have no effect on the kind of file.
func importFlags(f *pflag.FlagSet, name string) error {
	useless, of := []string{"set", "arch"}, "kickstart files of wic"
	if declfile.IsKickstart(name) {
		useless, of = append([]string{"remote", "update"}, declfile.KasOptions...), "projects of kas"
	}
	for _, option := range useless {
		if f.Changed(option) {
			return cli.Usagef("--%s is an option for %s, and has no effect on %s", option, of, name)
		}
	}
	return nil
}

// importing is "carosbuild import".
type importing struct {
	*cli.App
	remotes []string // NAME=URL of git remotes
	update  bool
	set     []string
	arch    string
}

// project prints the declaration for a project of kas.
func (c *importing) project(ctx context.Context, name string) error {
	files := declfile.KasFiles(name)
	if files == nil {
		return cli.Usagef("%s is neither a project of kas (.yml, .yaml, .json) nor a kickstart file of wic (.wks, .wks.in)", name)
	}
	where, err := c.DirsOrScratch()
	if err != nil {
		return err
	}
	c.Kas.Remotes, c.Kas.Update = c.remotes, c.update
	if err := declfile.Confine(c.App, []string{name}, where.Cache); err != nil {
		return err
	}
	src, from, err := declfile.ReadKas(ctx, c.App, files, where.Cache)
	if err != nil {
		return err
	}
	d, findings := decl.Parse(src)
	from.Relocate(src.Name, d, findings)
	if findings.HasErrors() {
		c.Files = append(c.Files, src)
		return &finding.ListError{Findings: findings}
	}
	_, err = c.Stdout.Write(src.Data)
	return err
}

// kickstart prints the disk for a kickstart file.
func (c *importing) kickstart(name string) error {
	if c.arch != "" && !slices.Contains(wks.Arches(), c.arch) {
		return cli.Usagef("architecture %q has no EFI program: %s", c.arch, strings.Join(wks.Arches(), ", "))
	}
	o := wks.Options{Arch: c.arch, Vars: map[string]string{}}
	for _, s := range c.set {
		k, v, ok := strings.Cut(s, "=")
		if !ok || k == "" {
			return cli.Usagef("--set %q: want NAME=VALUE", s)
		}
		o.Vars[k] = v
	}
	o.ID = filepath.Base(strings.TrimSuffix(strings.TrimSuffix(name, ".in"), ".wks"))
	top, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	o.BIOS, o.BIOSStage = biosStage()
	o.Include = func(name, from string) (decl.Source, error) {
		return includedKickstart(name, from, kas.Repository(top))
	}
	src, err := readKickstart(name)
	if err != nil {
		return cli.Usage(err)
	}
	xml, sources, findings := wks.Read(src, o)
	c.Origins = append(c.Origins, sources...)
	if findings.HasErrors() {
		return &finding.ListError{Findings: findings}
	}
	if err := unusedVars(o.Vars, sources); err != nil {
		return err
	}
	if err := c.ShowFindings(findings); err != nil {
		return err
	}
	_, err = c.Stdout.Write(xml)
	return err
}

// biosStage is a stage with the programs that <bios> needs, from a built-in
// declaration, and its id.
func biosStage() (text, id string) {
	id = "yocto-boot-x86"
	data, err := targets.FS.ReadFile("yocto-vmware.xml")
	if err != nil {
		return "", ""
	}
	text = decl.StageText(decl.Source{Name: "yocto-vmware.xml", Data: data}, id)
	if text == "" {
		return "", ""
	}
	return strings.ReplaceAll(text, "\t", "  "), id
}

// unusedVars reports a value that no file uses.
func unusedVars(vars map[string]string, sources []decl.Source) error {
	texts := slices.Collect(maps.Values(vars))
	for _, s := range sources {
		texts = append(texts, string(s.Data))
	}
	for _, k := range slices.Sorted(maps.Keys(vars)) {
		if !slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, "${"+k+"}") }) {
			return cli.Usagef("--set %s: the file has no ${%s}", k, k)
		}
	}
	return nil
}

// includedKickstart reads a file that another one includes: from the same
// repository or, if there is none, from the same directory.
func includedKickstart(name, from, root string) (decl.Source, error) {
	path := filepath.Join(filepath.Dir(from), name)
	abs, err := filepath.Abs(path)
	if err != nil {
		return decl.Source{}, err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return decl.Source{}, err
	}
	if rootReal, err := filepath.EvalSymlinks(root); err != nil || !strings.HasPrefix(real, strings.TrimSuffix(rootReal, "/")+"/") {
		return decl.Source{}, fmt.Errorf("it is outside of %s", root)
	}
	return readKickstart(path)
}

// readKickstart reads a regular file; opening a pipe would block.
func readKickstart(name string) (decl.Source, error) {
	st, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return decl.Source{}, fmt.Errorf("there is no file %s", name)
	}
	if err != nil {
		return decl.Source{}, err
	}
	if !st.Mode().IsRegular() {
		return decl.Source{}, fmt.Errorf("%s is not a regular file", name)
	}
	return load.File(name)
}
