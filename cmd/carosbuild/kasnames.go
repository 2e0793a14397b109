// SPDX-License-Identifier: MPL-2.0

package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/load"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/userns"
)

// projectWord is how messages say what a project of kas is called.
const projectWord = "a project of kas, whose name ends in .yml, .yaml or .json"

// projectsIn are the arguments that name projects of kas.
func projectsIn(names []string) []string {
	var all []string
	for _, n := range names {
		if kasFiles(n) != nil {
			all = append(all, n)
		}
	}
	return all
}

// checkNames finds what cannot be a list of declarations and one project.
func checkNames(names []string) error {
	if all := projectsIn(names); len(all) > 1 {
		return usagef("%d projects of kas: to merge them, write %s", len(all), quoteArg(strings.Join(all, ":")))
	}
	for _, n := range names {
		if isKickstart(n) {
			return usagef("%s is a kickstart file of wic: carosbuild import %s > disk.xml", n, quoteArg(n))
		}
	}
	return nil
}

var kasHeader = regexp.MustCompile(`(?m)^(header:|[ \t]*"header"[ \t]*:)`)

// checkText finds a project of kas, or a kickstart file, under another name.
func checkText(src decl.Source) error {
	if !load.BeginsAsXML(src.Data) && kasHeader.Match(src.Data) {
		return usagef("%s looks like %s", src.Name, projectWord)
	}
	return nil
}

// commandsOfKas are commands of kas, each with how carosbuild does the same.
var commandsOfKas = map[string]string{
	"build": `carosbuild kas builds: leave out "build"`, "lock": "carosbuild lock %s", "checkout": "carosbuild checkout %s",
	"shell": "carosbuild shell BUILDID", "dump": "carosbuild import %s", "for-all-repos": "carosbuild checkout %s, and then a command in each folder",
}

// kasArgs checks the arguments of "carosbuild kas".
func kasArgs(args []string) error {
	if len(args) == 0 {
		return usagef("no project file is named")
	}
	if kasFiles(args[0]) != nil {
		return nil
	}
	projects := projectsIn(args)
	project := "project.yml"
	if len(projects) > 0 {
		project = quoteArg(projects[0])
	}
	hint, known := commandsOfKas[args[0]]
	switch {
	case known && args[0] == "build":
		return usageError{fmt.Errorf("%s", hint)}
	case known && strings.Contains(hint, "%s"):
		return usagef("%q is not a project: "+hint, args[0], project)
	case known:
		return usagef("%q is not a project: %s", args[0], hint)
	case isKickstart(args[0]):
		return checkNames(args)
	case len(projects) > 0:
		return usagef("%s is not %s: name the project first", args[0], projectWord)
	}
	return usagef("%s is not %s", args[0], projectWord)
}

// noteEnvironment says which variables of kas decide what is built.
func (a *app) noteEnvironment() {
	var set []string
	for _, name := range []string{"KAS_MACHINE", "KAS_DISTRO", "KAS_TARGET", "KAS_TASK"} {
		if v := a.getenv(name); v != "" {
			set = append(set, name+"="+v)
		}
	}
	text := "the environment counts in place of what the project says: " + strings.Join(set, ", ")
	switch {
	case len(set) == 0 || userns.Inside(a.getenv):
	case a.asJSON():
		a.event(jsonEvent{Event: progress.Event{Time: time.Now(), Kind: progress.Note, Text: text}})
	default:
		fmt.Fprintln(a.stderr, "carosbuild: note:", printable(text))
	}
}

func isKickstart(name string) bool {
	return slices.ContainsFunc(kickstartEndings, func(e string) bool { return strings.HasSuffix(name, e) })
}

// kickstartEndings are how the names of kickstart files end.
var kickstartEndings = []string{".wks", ".wks.in"}
