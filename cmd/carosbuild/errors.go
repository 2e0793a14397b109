// SPDX-License-Identifier: MPL-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// report prints an error the way it is best understood and returns the exit
// status that goes with it.
func (a *app) report(err error) int {
	if a.asJSON() {
		return a.reportJSON(err)
	}
	var (
		d    *decl.FindingsError
		step *plan.StepError
		use  usageError
	)
	switch {
	case errors.As(err, &d):
		if e := d.Findings.Render(a.stderr, a.sources(), a.color()); e != nil {
			a.say(e)
		}
		return exitDeclaration
	case errors.As(err, &step):
		if e := printStep(a.stderr, step, a.sources(), a.color(), !a.outputShown); e != nil {
			a.say(e)
		}
		for _, e := range besides(err, step) {
			fmt.Fprintln(a.stderr, "carosbuild: also:", terminal.Text(e.Error()))
		}
		return a.status(err)
	case errors.As(err, &use):
		a.say(err)
		if _, ok := errors.AsType[withoutHelp](err); !ok {
			fmt.Fprintf(a.stderr, "Run \"%s --help\" for usage.\n", cmp.Or(a.commandPath, "carosbuild"))
		}
		return exitUsage
	}
	a.say(err)
	remedies(a.stderr, err)
	return a.status(err)
}

// status is the exit status for an error.
func (a *app) status(err error) int {
	var (
		d    *decl.FindingsError
		step *plan.StepError
		use  usageError
		lock lockError
	)
	switch {
	case errors.As(err, &d):
		return exitDeclaration
	case !errors.As(err, &step) && errors.As(err, &use):
		return exitUsage
	case step == nil && errors.As(err, &lock):
		return exitDeclaration
	case remedy.Is(err):
		return exitHost
	case resolve.IsNetwork(err):
		return exitNetwork
	case errors.Is(err, damage.ErrUnread):
		return exitUnread
	}
	return exitFailed
}

// say prints an error. Whatever a file, a command or a server has put into its
// text is printed as text.
func (a *app) say(err error) {
	fmt.Fprintln(a.stderr, "carosbuild:", terminal.Text(err.Error()))
}
