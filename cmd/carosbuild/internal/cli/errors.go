// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// Report prints an error in the form that suits its kind, and returns the exit
// status for it.
func (a *App) Report(err error) int {
	if _, ok := errors.AsType[saidError](err); ok {
		for _, e := range unsaid(err) {
			a.Say(e)
		}
		return a.status(err)
	}
	if a.AsJSON() {
		return a.reportJSON(err)
	}
	var (
		d    *finding.ListError
		step *plan.StepError
		use  usageError
	)
	switch {
	case errors.As(err, &d):
		if e := d.Findings.Render(a.Stderr, decl.Texts(a.sources()), a.color()); e != nil {
			a.Say(e)
		}
		return ExitDeclaration
	case errors.As(err, &step):
		if e := render.StepError(a.Stderr, step, a.sources(), a.color(), !a.outputShown); e != nil {
			a.Say(e)
		}
		for _, e := range render.Besides(err, step) {
			fmt.Fprintln(a.Stderr, "carosbuild: also:", terminal.Text(e.Error()))
		}
		return a.status(err)
	case errors.As(err, &use):
		a.Say(err)
		if _, ok := errors.AsType[withoutHelp](err); !ok {
			fmt.Fprintf(a.Stderr, "Run \"%s --help\" for usage.\n", cmp.Or(a.CommandPath, "carosbuild"))
		}
		return ExitUsage
	}
	a.Say(err)
	render.Remedies(a.Stderr, err)
	return a.status(err)
}

// unsaid are the errors joined with one that was shown.
func unsaid(err error) []error {
	if _, ok := errors.AsType[saidError](err); !ok {
		return []error{err}
	}
	var out []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			out = append(out, unsaid(e)...)
		}
	}
	return out
}

// status is the exit status for an error.
func (a *App) status(err error) int {
	var (
		d    *finding.ListError
		step *plan.StepError
		use  usageError
		lock lockError
	)
	switch {
	case errors.As(err, &d):
		return ExitDeclaration
	case !errors.As(err, &step) && errors.As(err, &use):
		return ExitUsage
	case step == nil && errors.As(err, &lock):
		return ExitDeclaration
	case remedy.Is(err):
		return ExitHost
	case resolve.IsNetwork(err):
		return ExitNetwork
	case errors.Is(err, damage.ErrUnread):
		return ExitUnread
	}
	return ExitFailed
}

// Say prints an error. Control characters from files, commands or servers are made
// harmless.
func (a *App) Say(err error) {
	fmt.Fprintln(a.Stderr, "carosbuild:", terminal.Text(err.Error()))
}
