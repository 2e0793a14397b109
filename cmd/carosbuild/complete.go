// SPDX-License-Identifier: MPL-2.0

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/compose"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk"
	"github.com/carosio/carosbuild/pkg/history"
	"github.com/carosio/carosbuild/pkg/qemu"
)

// argKind says what a shell offers for an argument.
type argKind int

const (
	filesArg   argKind = iota // what the shell itself completes
	declArg                   // declarations: files, and built-in ones
	kasArg                    // project files of kas
	importArg                 // those, and kickstart files
	builtinArg                // built-in declarations
	buildIDArg                // ids of builds
	stageArg                  // BUILDID[:STAGE], or STAGE
	imageArg                  // stageArg, or an image from elsewhere
	noArg
)

// completer is what cobra calls for the word that is being written.
type completer = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective)

// completeArgs completes arguments: the first is of the first kind, and so on; all
// further ones are of the last kind.
func (a *app) completeArgs(kinds ...argKind) completer {
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		switch kinds[min(len(args), len(kinds)-1)] {
		case declArg:
			return declarations(word, embedded(), ".xml", ".yml", ".yaml")
		case kasArg:
			return projects(word)
		case importArg:
			return declarations(word, nil, append(slices.Clone(kickstartEndings), ".yml", ".yaml")...)
		case builtinArg:
			return beginning(embedded(), word), cobra.ShellCompDirectiveNoFileComp
		case buildIDArg:
			return beginning(a.buildIDs(), word), cobra.ShellCompDirectiveNoFileComp
		case stageArg:
			return beginning(a.stageNames(), word), cobra.ShellCompDirectiveNoFileComp
		case imageArg:
			names := append(a.stageNames(), "oci:", "docker-archive:")
			return beginning(names, word), cobra.ShellCompDirectiveNoSpace
		case noArg:
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}

// projects are project files of kas, several with colons between them.
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

// buildIDs are those that the caller sees, the newest first.
func (a *app) buildIDs() []string {
	stages, _, err := a.storedStages()
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
func (a *app) stageNames() []string {
	stages, _, err := a.storedStages()
	if err != nil || len(stages) == 0 {
		return nil
	}
	var names []string
	for _, s := range stages {
		if s.Status != history.Start && !slices.Contains(names, s.Stage) {
			names = append(names, s.Stage)
		}
	}
	names = append(append(names, history.Latest), a.buildIDs()...)
	for _, s := range stages {
		names = append(names, s.Name())
	}
	return names
}

// declarations are files with one of some endings and directories, and what is
// built in.
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

// completeFlags completes the values of those flags that a command has.
func (a *app) completeFlags(cmd *cobra.Command) {
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) { a.completeFlag(cmd, f) })
	for _, sub := range cmd.Commands() {
		a.completeFlags(sub)
	}
}

// completeFlag completes the value of a flag by the flag's name.
func (a *app) completeFlag(cmd *cobra.Command, f *pflag.Flag) {
	fixed := map[string][]string{
		"progress": {"auto", "tty", "plain", "json", "quiet"}, "network": {"host", "none"}, "firmware": {"bios", "efi"},
		"accel": {"auto", "kvm", "tcg"}, "compression": {"gzip", "zstd"}, "runtime": {"runc", "crun"},
		"format": compose.Formats(), "bus": qemu.Buses(), "arch": {"amd64", "arm64", "armhf", "i386", "riscv64"},
	}
	funcs := map[string]completer{
		"match-build-id": a.completeArgs(buildIDArg), "list": a.completeArgs(buildIDArg), "upgrade": a.completeArgs(imageArg),
		"since": a.completeArgs(stageArg), "declaration": a.completeArgs(declArg),
		"target": a.declared(stagesOf), "entry": a.declared(stagesOf), "disk": a.declared(diskIDs),
		"out": func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return outFiles(word)
		},
	}
	for _, name := range []string{"base", "from", "set"} { // nothing that is a file
		funcs[name] = a.completeArgs(noArg)
	}
	c := funcs[f.Name]
	if values := fixed[f.Name]; values != nil {
		c = func(_ *cobra.Command, _ []string, word string) ([]string, cobra.ShellCompDirective) {
			return beginning(values, word), cobra.ShellCompDirectiveNoFileComp
		}
	}
	if c != nil && f.Value.Type() != "bool" {
		_ = cmd.RegisterFlagCompletionFunc(f.Name, c) // it is a flag of cmd, and has none yet
	}
}

// outFiles offers endings for a name that has none of them yet.
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

// declared offers something of the declaration that the command line names.
func (a *app) declared(of func(*decl.Declaration) []string) completer {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		names := args
		if f := cmd.Flags().Lookup("declaration"); f != nil {
			names = strings.FieldsFunc(strings.Trim(f.Value.String(), "[]"), func(r rune) bool { return r == ',' })
		}
		where, err := a.dirs()
		if err != nil || len(names) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		d, err := a.load(cmd.Context(), names, where.cache)
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
