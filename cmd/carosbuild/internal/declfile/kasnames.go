// SPDX-License-Identifier: MPL-2.0

package declfile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/cli"
	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/load"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/userns"
)

// projectWord describes a project of kas in messages.
const projectWord = "a project of kas, whose name ends in .yml, .yaml or .json"

// Projects are the arguments that name projects of kas.
func Projects(names []string) []string {
	var all []string
	for _, n := range names {
		if KasFiles(n) != nil {
			all = append(all, n)
		}
	}
	return all
}

// checkNames refuses arguments that are not a list of declarations with at most one
// project.
func checkNames(names []string) error {
	if all := Projects(names); len(all) > 1 {
		return cli.Usagef("%d projects of kas: to merge them, write %s", len(all), render.QuoteArg(strings.Join(all, ":")))
	}
	for _, n := range names {
		if IsKickstart(n) {
			return cli.Usagef("%s is a kickstart file of wic: carosbuild import %s > disk.xml", n, render.QuoteArg(n))
		}
	}
	return nil
}

var kasHeader = lazyregexp.New(`(?m)^(header:|[ \t]*"header"[ \t]*:)`)

// checkText recognises a project of kas, or a kickstart file, under another name.
func checkText(src decl.Source) error {
	if !load.BeginsAsXML(src.Data) && kasHeader().Match(src.Data) {
		return cli.Usagef("%s looks like %s", src.Name, projectWord)
	}
	return nil
}

// commandsOfKas are commands of kas, each with the equivalent in carosbuild.
var commandsOfKas = map[string]string{
	"build": `carosbuild kas builds: leave out "build"`, "lock": "carosbuild lock %s", "checkout": "carosbuild checkout %s",
	"shell": "carosbuild shell BUILDID", "dump": "carosbuild import %s", "for-all-repos": "carosbuild checkout %s, and then a command in each folder",
}

// CheckKasArgs checks the arguments of "carosbuild kas".
func CheckKasArgs(args []string) error {
	if len(args) == 0 {
		return cli.Usagef("no project file is named")
	}
	if KasFiles(args[0]) != nil {
		return nil
	}
	projects := Projects(args)
	project := "project.yml"
	if len(projects) > 0 {
		project = render.QuoteArg(projects[0])
	}
	hint, known := commandsOfKas[args[0]]
	switch {
	case known && args[0] == "build":
		return cli.Usage(fmt.Errorf("%s", hint))
	case known && strings.Contains(hint, "%s"):
		return cli.Usagef("%q is not a project: "+hint, args[0], project)
	case known:
		return cli.Usagef("%q is not a project: %s", args[0], hint)
	case IsKickstart(args[0]):
		return checkNames(args)
	case len(projects) > 0:
		return cli.Usagef("%s is not %s: name the project first", args[0], projectWord)
	}
	return cli.Usagef("%s is not %s", args[0], projectWord)
}

// noteEnvironment says which variables of kas influence the build.
func noteEnvironment(a *cli.App) {
	var set []string
	for _, name := range []string{"KAS_MACHINE", "KAS_DISTRO", "KAS_TARGET", "KAS_TASK"} {
		if v := a.Getenv(name); v != "" {
			set = append(set, name+"="+v)
		}
	}
	text := "the environment counts in place of what the project says: " + strings.Join(set, ", ")
	switch {
	case len(set) == 0 || userns.Inside(a.Getenv):
	case a.AsJSON():
		a.Event(render.Event{Event: progress.Event{Time: time.Now(), Kind: progress.Note, Text: text}})
	default:
		fmt.Fprintln(a.Stderr, "carosbuild: note:", render.Printable(text))
	}
}

// IsKickstart reports whether a name is that of a kickstart file of wic.
func IsKickstart(name string) bool {
	return slices.ContainsFunc(KickstartEndings, func(e string) bool { return strings.HasSuffix(name, e) })
}

// KickstartEndings are the endings of the names of kickstart files.
var KickstartEndings = []string{".wks", ".wks.in"}
