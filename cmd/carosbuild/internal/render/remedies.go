// SPDX-License-Identifier: MPL-2.0

package render

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
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

// remoteHint is for git servers that do not answer.
const remoteHint = "--remote NAME=URL takes a git remote from another server, or from a directory"

// Remedies prints the hints that go with an error.
func Remedies(w io.Writer, err error) {
	for _, r := range RemediesOf(err) {
		hint(w, "remedy:", r)
	}
}

// RemediesOf are the hints that go with an error of a git server, a mirror, a
// registry or the store.
func RemediesOf(err error) []string {
	var all []string
	if _, ok := errors.AsType[*git.NetworkError](err); ok {
		all = append(all, remoteHint)
	}
	if b, ok := errors.AsType[*resolve.BootstrapError](err); ok && netfault.Is(b.Err) {
		all = append(all, mirrorHint)
	}
	if full, ok := errors.AsType[*remedy.Full](err); ok {
		all = append(all, full.Cure)
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
const damageHint = "build it again with carosbuild build FILE, or pull it again with carosbuild pull: that replaces what is damaged"

// Besides are the errors joined with the one that was reported.
func Besides(err error, reported *plan.StepError) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	var out []error
	for _, e := range joined.Unwrap() {
		var step *plan.StepError
		if errors.As(e, &step) && step == reported {
			out = append(out, Besides(e, reported)...)
			continue
		}
		out = append(out, e)
	}
	return out
}

func hint(w io.Writer, label, text string) {
	if text != "" {
		fmt.Fprintf(w, "%-12s %s\n", label, terminal.Text(text))
	}
}

// StepError shows a failed step: where it is declared, what it printed last if tail
// says so, where all of it is, and how to look at the half-done stage.
func StepError(w io.Writer, e *plan.StepError, sources []decl.Source, color, tail bool) error {
	what, more := fmt.Sprintf("exit status %d", e.Status), ""
	if e.Err != nil {
		what, more, _ = strings.Cut(e.Err.Error(), "\n")
	}
	f := finding.Findings{{Span: e.Span, Summary: fmt.Sprintf("stage %s: %s failed: %s", e.Stage, e.Kind, what)}}
	err := f.Render(w, decl.Texts(sources), color)
	var host *remedy.Error
	if errors.As(e.Err, &host) {
		hint(w, "remedy:", host.Cure)
		more = "" // that is the cure
	}
	for line := range strings.Lines(more) { // about another git tree, say
		hint(w, "also:", strings.TrimSpace(line))
	}
	Remedies(w, e.Err)
	if len(e.Tail) > 0 && tail {
		fmt.Fprintln(w, "last output:")
		for _, line := range e.Tail {
			fmt.Fprintln(w, "  |", Printable(line))
		}
	}
	hint(w, "full log:", e.Log)
	hint(w, "task logs:", e.Logs)
	if e.Image != "" {
		hint(w, "look inside:", "carosbuild shell "+QuoteArg(e.Image))
	}
	if e.Pushed != "" {
		hint(w, "elsewhere:", "carosbuild shell "+QuoteArg(e.Pushed))
	}
	if build, _, ok := strings.Cut(e.Image, ":"); ok {
		hint(w, "go on:", "carosbuild resume "+QuoteArg(build)+", with --skip at the step after")
	}
	return err
}
