// SPDX-License-Identifier: MPL-2.0

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/disk/damage"
	"github.com/carosio/carosbuild/pkg/netfault"
	"github.com/carosio/carosbuild/pkg/oci"
	"github.com/carosio/carosbuild/pkg/oci/registry"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/resolve"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/source/git"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// Exit statuses.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitDeclaration = 3
	exitHost        = 4
	exitNetwork     = 5
	exitUnread      = 6
	exitInterrupted = 130
)

// innerExit is the exit status of the program inside the namespaces.
type innerExit int

func (e innerExit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// usageError is a mistake on the command line.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func (e usageError) Unwrap() error { return e.error }

// withoutHelp is an error of usage that the help does not help with.
type withoutHelp struct{ error }

func (e withoutHelp) Unwrap() error { return e.error }

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
		a.reportStep(step)
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

// remoteHint is for git servers that do not answer.
const remoteHint = "--remote NAME=URL takes a git remote from another server, or from a directory"

// remedies prints the hints that go with an error.
func remedies(w io.Writer, err error) {
	for _, r := range remediesOf(err) {
		hint(w, "remedy:", r)
	}
}

// remediesOf are the hints that go with an error of a git server, a mirror, a
// registry or the store.
func remediesOf(err error) []string {
	var all []string
	if _, ok := errors.AsType[*git.NetworkError](err); ok {
		all = append(all, remoteHint)
	}
	if b, ok := errors.AsType[*resolve.BootstrapError](err); ok && netfault.Is(b.Err) {
		all = append(all, mirrorHint)
	}
	if errors.Is(err, oci.ErrDamaged) {
		all = append(all, damageHint)
	}
	return append(all, registry.Remedies(err)...)
}

// mirrorHint is for mirrors that do not answer.
const mirrorHint = "another mirror: " + debian.EnvMirror + "=URL, or mirror=\"URL\" in the <bootstrap>; or a proxy: http_proxy=URL"

// damageHint is for what is damaged in the store. A build heals all that its
// declaration has made.
const damageHint = "build it again with carosbuild build FILE, or pull it again with carosbuild pull: what is damaged is then made anew"

// besides are the errors joined with the one that was reported.
func besides(err error, reported *plan.StepError) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var out []error
	for _, e := range joined.Unwrap() {
		var step *plan.StepError
		if errors.As(e, &step) && step == reported {
			out = append(out, besides(e, reported)...)
			continue
		}
		out = append(out, e)
	}
	return out
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

// reportStep shows a failed step: where it is declared, what it printed last,
// where all of it is, and how to look at the half-done stage.
func (a *app) reportStep(e *plan.StepError) {
	w := a.stderr
	what, more := fmt.Sprintf("exit status %d", e.Status), ""
	if e.Err != nil {
		what, more, _ = strings.Cut(e.Err.Error(), "\n")
	}
	f := decl.Findings{{Span: e.Span, Summary: fmt.Sprintf("stage %s: %s failed: %s", e.Stage, e.Kind, what)}}
	if err := f.Render(w, a.sources(), a.color()); err != nil {
		a.say(err)
	}
	var host *remedy.Error
	if errors.As(e.Err, &host) {
		hint(w, "remedy:", host.Cure)
		more = "" // that is the cure
	}
	for line := range strings.Lines(more) { // about another git tree, say
		hint(w, "also:", strings.TrimSpace(line))
	}
	remedies(w, e.Err)
	if len(e.Tail) > 0 && !a.outputShown {
		fmt.Fprintln(w, "last output:")
		for _, line := range e.Tail {
			fmt.Fprintln(w, "  |", printable(line))
		}
	}
	hint(w, "full log:", e.Log)
	hint(w, "task logs:", e.Logs)
	if e.Image != "" {
		hint(w, "look inside:", "carosbuild shell "+quoteArg(e.Image))
	}
}

func hint(w io.Writer, label, text string) {
	if text != "" {
		fmt.Fprintf(w, "%-12s %s\n", label, terminal.Text(text))
	}
}

// say prints an error. Whatever a file, a command or a server has put into its
// text is printed as text.
func (a *app) say(err error) {
	fmt.Fprintln(a.stderr, "carosbuild:", terminal.Text(err.Error()))
}
