// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/rendertest"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/git"
)

// Control characters in errors are made harmless, whatever names the errors contain
// and wherever they come from.
func TestErrorsPrintForeignNamesAsText(t *testing.T) {
	step := func(s string) *plan.StepError {
		return &plan.StepError{Stage: "s", Kind: "RUN", Span: finding.Span{File: "a.xml", Line: 1, Col: 1, Len: 1}, Text: s, Log: "/log"}
	}
	places := map[string]func(s string) error{
		"an error":        func(s string) error { return fmt.Errorf("commit onto x: open /%s: %w", s, fs.ErrInvalid) },
		"a path error":    func(s string) error { return &fs.PathError{Op: "unlinkat", Path: s, Err: fs.ErrInvalid} },
		"joined errors":   func(s string) error { return errors.Join(errors.New("one"), errors.New(s)) },
		"a usage error":   func(s string) error { return Usagef("no build %s", s) },
		"a declaration":   func(s string) error { return &finding.ListError{Findings: finding.Findings{{Summary: s, Hint: s}}} },
		"a host":          func(s string) error { return &remedy.Error{Tried: s, Cure: s} },
		"a server":        func(s string) error { return &git.NetworkError{URL: s, Text: s} },
		"a step":          func(s string) error { e := step(""); e.Err = errors.New(s); return e },
		"a step's second": func(s string) error { e := step(""); e.Err = errors.New("one\n" + s); return e },
		"a step's tail":   func(s string) error { e := step(""); e.Tail = []string{s}; return e },
		"a step's log":    func(s string) error { e := step(""); e.Log, e.Logs, e.Image = s, s, s; return e },
		"a step's host":   func(s string) error { e := step(""); e.Err = &remedy.Error{Tried: s, Cure: s}; return e },
		"besides a step":  func(s string) error { return errors.Join(step(""), errors.New(s)) },
	}
	for what, makes := range places {
		for _, name := range rendertest.Names() {
			var out strings.Builder
			a := &App{Stderr: &out, Getenv: func(string) string { return "" }}
			a.Report(makes(name))
			rendertest.CheckPrinted(t, what, out.String())
		}
	}
	for _, name := range rendertest.Names() {
		var out strings.Builder
		a := &App{Stderr: &out, Getenv: func(string) string { return "" }}
		a.Warnf("remote %s", name)
		rendertest.CheckPrinted(t, "a warning", out.String())
	}
}
