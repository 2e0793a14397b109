// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/complete"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/declfile"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/freshdir"
	"github.com/carosio/carosbuild/pkg/terminal"
	"github.com/carosio/carosbuild/pkg/words"
	"github.com/carosio/carosbuild/targets"
)

func targetsCommand(a *cli.App) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use: "targets [NAME]", Short: "List the built-in declarations, or print one",
		Example: `  carosbuild targets
  carosbuild targets vmware.xml             print it
  carosbuild targets vmware.xml --to mine   a copy to change, with the files that it adds`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 0 && to == "":
				return listTargets(a)
			case len(args) == 1 && to == "":
				return printTarget(a, args[0])
			case len(args) == 1:
				return copyTarget(a, args[0], to)
			}
			return cli.Usagef("usage: carosbuild %s", cmd.Use)
		},
		ValidArgsFunction: complete.Args(a, complete.BuiltIn, complete.Nothing),
	}
	cmd.Flags().StringVar(&to, "to", "", "directory to write the declaration to, with the files that it adds; if it exists, it must be empty")
	return cmd
}

// listTargets prints the name of each declaration, and how its first comment begins.
func listTargets(a *cli.App) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
	for _, name := range declfile.BuiltIn() {
		data, err := targets.FS.ReadFile(name)
		if err != nil {
			return err
		}
		about := aboutTarget(string(data))
		if f, ok := a.Stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			about = terminal.Cut(about, helpColumns-20)
		}
		fmt.Fprintf(w, "%s\t%s\n", name, about)
	}
	return w.Flush()
}

// aboutTarget is the first sentence of the first comment.
func aboutTarget(text string) string {
	_, text, _ = strings.Cut(text, "<!--")
	text, _, _ = strings.Cut(text, "-->")
	text = strings.Join(strings.Fields(text), " ")
	if first, _, ok := strings.Cut(text, ". "); ok {
		text = first
	}
	return strings.TrimSuffix(text, ".")
}

// checkTarget finds out whether a declaration is built in.
func checkTarget(name string) error {
	if slices.Contains(declfile.BuiltIn(), name) {
		return nil
	}
	hint := words.DidYouMean(name, declfile.BuiltIn())
	if hint != "" {
		hint = " (" + hint + ")"
	}
	return cli.Usagef("no declaration %q is built in%s; there are: %s", name, hint, strings.Join(declfile.BuiltIn(), ", "))
}

func printTarget(a *cli.App, name string) error {
	if err := checkTarget(name); err != nil {
		return err
	}
	data, err := targets.FS.ReadFile(name)
	if err == nil {
		_, err = a.Stdout.Write(data)
	}
	return err
}

// copyTarget writes a declaration, and the files that it or one that it is based on
// adds, and says how to use the copy. What it is based on stays built in.
func copyTarget(a *cli.App, name, dir string) error {
	if err := checkTarget(name); err != nil {
		return err
	}
	if err := freshdir.Check(dir); err != nil {
		return cli.Usage(err)
	}
	used, err := usedDirs(name)
	if err != nil {
		return err
	}
	err = fs.WalkDir(targets.FS, ".", func(path string, d fs.DirEntry, err error) error {
		to := filepath.Join(dir, filepath.FromSlash(path))
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && !strings.Contains(path, "/") && !slices.Contains(used, path):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(to, 0o755)
		case strings.HasSuffix(path, ".xml") && !strings.Contains(path, "/") && path != name || strings.HasSuffix(path, ".go"):
			return nil
		}
		data, err := targets.FS.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(to, data, 0o644)
	})
	if err != nil {
		return err
	}
	front, file := "", filepath.Join(dir, name)
	if declfile.IsOverlay(name) {
		front = "YOURS.xml "
	}
	_, err = fmt.Fprintf(a.Stdout, "to use it: carosbuild %s%s --out FILE\n", front, render.QuoteArg(file))
	return err
}

// usedDirs are the directories of files that a declaration, or one that it is
// based on, names.
func usedDirs(name string) ([]string, error) {
	all, err := fs.ReadDir(targets.FS, ".")
	if err != nil {
		return nil, err
	}
	var used []string
	for range len(all) { // a chain has no more
		data, err := targets.FS.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if e.IsDir() && bytes.Contains(data, []byte(e.Name()+"/")) {
				used = append(used, e.Name())
			}
		}
		if name, _ = decl.Base(decl.Source{Name: name, Data: data}); name == "" {
			break
		}
	}
	return used, nil
}
