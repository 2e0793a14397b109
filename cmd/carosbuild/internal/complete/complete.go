// SPDX-License-Identifier: MPL-2.0

package complete

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/localstore"
	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// argKind says what completions an argument has.
type argKind int

// Kinds of arguments.
const (
	Files        argKind = iota // completed by the shell itself
	Declarations                // declarations: files, and built-in ones
	Projects                    // project files of kas
	Importable                  // project and kickstart files
	BuiltIn                     // built-in declarations
	BuildIDs                    // ids of builds
	Stages                      // BUILDID[:STAGE], or STAGE
	Images                      // those of Stages, or an image from elsewhere
	Nothing
)

// completer is the function that cobra calls for the current word.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// Args completes arguments: the first is of the first kind, and so on; all further
// ones are of the last kind.
func Args(a *cli.App, kinds ...argKind) completer {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		switch kinds[min(len(args), len(kinds)-1)] {
		case Declarations:
			return declarations(word, declfile.BuiltIn(), ".xml", ".yml", ".yaml")
		case Projects:
			return projects(word)
		case Importable:
			return declarations(word, nil, append(slices.Clone(declfile.KickstartEndings), ".yml", ".yaml")...)
		case BuiltIn:
			return beginning(declfile.BuiltIn(), word), cobra.ShellCompDirectiveNoFileComp
		case BuildIDs:
			return beginning(buildIDs(cmd.Context(), a), word), cobra.ShellCompDirectiveNoFileComp
		case Stages:
			return beginning(stageNames(cmd.Context(), a), word), cobra.ShellCompDirectiveNoFileComp
		case Images:
			names := append(stageNames(cmd.Context(), a), "oci:", "docker-archive:")
			return beginning(names, word), cobra.ShellCompDirectiveNoSpace
		case Nothing:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}

// projects are project files of kas, several separated by colons.
func projects(word string) ([]string, cobra.ShellCompDirective) {
	i := strings.LastIndexByte(word, ':') + 1
	names, directive := declarations(word[i:], nil, ".yml", ".yaml")
	for n := range names {
		names[n] = word[:i] + names[n]
	}
	return names, directive
}

func beginning(all []string, word string) []string {
	var out []string
	for _, s := range all {
		if strings.HasPrefix(s, word) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// buildIDs are the ids that the caller sees, the newest first.
func buildIDs(ctx context.Context, a *cli.App) []string {
	stages, _, err := localstore.Stages(ctx, a)
	if err != nil {
		return nil
	}
	var ids []string
	for _, s := range stages {
		if !slices.Contains(ids, s.BuildID) {
			ids = append(ids, s.BuildID)
		}
	}
	return ids
}

// stageNames are all names that history.Picker knows.
func stageNames(ctx context.Context, a *cli.App) []string {
	stages, _, err := localstore.Stages(ctx, a)
	if err != nil || len(stages) == 0 {
		return nil
	}
	var names []string
	for _, s := range stages {
		if s.Status != history.Start && !slices.Contains(names, s.Stage) {
			names = append(names, s.Stage)
		}
	}
	names = append(append(names, history.Latest), buildIDs(ctx, a)...)
	for _, s := range stages {
		names = append(names, s.Name())
	}
	return names
}

// declarations are files with one of several endings, directories, and built-in
// declarations.
func declarations(word string, builtin []string, endings ...string) ([]string, cobra.ShellCompDirective) {
	dir, begin := filepath.Split(word)
	at := dir
	if at == "" {
		at = "."
	}
	entries, err := os.ReadDir(at)
	if err != nil {
		entries = nil
	}
	var out []string
	directive := cobra.ShellCompDirectiveNoFileComp
	for _, e := range entries {
		switch name := e.Name(); {
		case !strings.HasPrefix(name, begin) || begin == "" && strings.HasPrefix(name, "."):
		case e.IsDir():
			out = append(out, dir+name+"/")
			directive |= cobra.ShellCompDirectiveNoSpace
		case slices.ContainsFunc(endings, func(e string) bool { return strings.HasSuffix(name, e) }):
			out = append(out, dir+name)
		}
	}
	if dir == "" {
		for _, name := range beginning(builtin, word) {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out, directive
}

// Asked reports whether the command line is a request from a shell for completions.
func Asked(args []string) bool {
	return len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd)
}

// Flags completes the values of the flags of a program and of all its commands.
func Flags(a *cli.App, root *cobra.Command) {
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { flag(a, root, f) })
	ownFlags(a, root)
}

// ownFlags completes the values of flags that belong to one command, or to one below it.
func ownFlags(a *cli.App, cmd *cobra.Command) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { flag(a, cmd, f) })
	for _, sub := range cmd.Commands() {
		ownFlags(a, sub)
	}
}

// flag completes the value of a flag by the flag's name.
func flag(a *cli.App, cmd *cobra.Command, f *pflag.Flag) {
	fixed := map[string][]string{
		"progress": {"auto", "tty", "plain", "json", "quiet"}, "network": {"auto", "host", "none"}, "firmware": {"bios", "efi"},
		"accel": {"auto", "kvm", "tcg"}, "compression": {"gzip", "zstd"}, "runtime": {"runc", "crun"}, "sandbox": cli.SandboxNames(), "snapshots": {"overlay", "copy"},
		"format": compose.Formats(), "bus": qemu.Buses(), "arch": {"amd64", "arm64", "armhf", "i386", "riscv64"},
	}
	funcs := map[string]completer{
		"match-build-id": Args(a, BuildIDs), "list": Args(a, BuildIDs), "upgrade": Args(a, Images),
		"since": Args(a, Stages), "declaration": Args(a, Declarations),
		"target": declared(a, stagesOf), "entry": declared(a, stagesOf), "disk": declared(a, diskIDs),
		"out": func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return outFiles(word)
		},
	}
	for _, name := range []string{"base", "from", "set"} { // no completions, not even files
		funcs[name] = Args(a, Nothing)
	}
	c := funcs[f.Name]
	if values := fixed[f.Name]; values != nil {
		c = func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return beginning(values, word), cobra.ShellCompDirectiveNoFileComp
		}
	}
	if c != nil && f.Value.Type() != "bool" {
		_ = cmd.RegisterFlagCompletionFunc(f.Name, c) // a flag of cmd that has no completion yet
	}
}

// outFiles offers endings for a name that has none yet.
func outFiles(word string) ([]string, cobra.ShellCompDirective) {
	base := filepath.Base(word)
	if word == "" || strings.Contains(base, ".") || strings.HasSuffix(word, "/") {
		return nil, cobra.ShellCompDirectiveDefault
	}
	var out []string
	for _, ending := range disk.Endings() {
		out = append(out, word+ending)
	}
	return out, cobra.ShellCompDirectiveDefault
}

// declared offers names from the declaration that the command line names.
func declared(a *cli.App, of func(*decl.Declaration) []string) completer {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		names := args
		if f := cmd.Flags().Lookup("declaration"); f != nil {
			names = strings.FieldsFunc(strings.Trim(f.Value.String(), "[]"), func(r rune) bool { return r == ',' })
		}
		where, err := a.Dirs()
		if err != nil || len(names) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		d, err := declfile.Load(cmd.Context(), a, names, where.Cache)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return beginning(of(d), word), cobra.ShellCompDirectiveNoFileComp
	}
}

func stagesOf(d *decl.Declaration) []string {
	var ids []string
	for _, s := range d.Stages {
		ids = append(ids, s.ID)
	}
	return ids
}

func diskIDs(d *decl.Declaration) []string {
	var ids []string
	for _, k := range d.Disks {
		ids = append(ids, k.ID)
	}
	return ids
}
