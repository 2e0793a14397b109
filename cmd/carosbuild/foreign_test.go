// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/source/git"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// poison are names that a file can have: each character that acts on a
// terminal, bytes that are not UTF-8, and what CI services take for commands.
func poison() []string {
	out := []string{
		"z\n::set-output name=x::y\n", "::error::x", "\n##[error]x", "##vso[task.setvariable variable=x]y",
		"\r##[group]x", "\xff\xc2\x9b", "a\xe2\x80", "\ncarosbuild: all is well",
	}
	for r := rune(1); r < 0x10ffff; r++ {
		if terminal.Acts(r) {
			out = append(out, "a"+string(r)+"b")
		}
	}
	return out
}

// checkPrinted fails where a text could act on a terminal or a CI service, or
// has a line that the program did not begin.
func checkPrinted(t *testing.T, what, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("%s prints what is not UTF-8: %q", what, out)
	}
	for line := range strings.SplitSeq(out, "\n") {
		if strings.IndexFunc(line, terminal.Acts) >= 0 || terminal.Defuse(line) != line || line == "carosbuild: all is well" {
			t.Errorf("%s prints %q", what, out)
		}
	}
}

// Errors are printed as text, whatever names are in them and wherever they
// come from.
func TestErrorsPrintForeignNamesAsText(t *testing.T) {
	step := func(s string) *plan.StepError {
		return &plan.StepError{Stage: "s", Kind: "RUN", Span: decl.Span{File: "a.xml", Line: 1, Col: 1, Len: 1}, Text: s, Log: "/log"}
	}
	places := map[string]func(s string) error{
		"an error":        func(s string) error { return fmt.Errorf("commit onto x: open /%s: %w", s, fs.ErrInvalid) },
		"a path error":    func(s string) error { return &fs.PathError{Op: "unlinkat", Path: s, Err: fs.ErrInvalid} },
		"joined errors":   func(s string) error { return errors.Join(errors.New("one"), errors.New(s)) },
		"a usage error":   func(s string) error { return usagef("no build %s", s) },
		"a declaration":   func(s string) error { return &decl.FindingsError{Findings: decl.Findings{{Summary: s, Hint: s}}} },
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
		for _, name := range poison() {
			var out strings.Builder
			a := &app{stderr: &out, getenv: func(string) string { return "" }}
			a.report(makes(name))
			checkPrinted(t, what, out.String())
		}
	}
	for _, name := range poison() {
		var out strings.Builder
		a := &app{stderr: &out, getenv: func(string) string { return "" }}
		a.warnf("remote %s", name)
		checkPrinted(t, "a warning", out.String())
	}
}

// Events are shown as text in each way of showing them.
func TestEventsPrintForeignNamesAsText(t *testing.T) {
	kinds := []progress.EventKind{
		progress.StageStarted, progress.StageDone, progress.StepCached, progress.StepStarted, progress.StepOutput,
		progress.StepDone, progress.Progress, progress.ProgressEnd, progress.Note,
	}
	for _, name := range poison() {
		for _, kind := range kinds {
			e := progress.Event{Time: time.Unix(1, 0), Kind: kind, Stage: name, Step: 1, Steps: 2, Text: name, Unit: name, Done: 1, Total: 1}
			var out bytes.Buffer
			d := newPlain(&out)
			d.show(e)
			e.Stage = ""
			d.show(e)
			checkPrinted(t, "plain, "+string(kind), out.String())
			out.Reset()
			newJSONDisplay(&out).show(e)
			checkPrinted(t, "json, "+string(kind), out.String())
			out.Reset()
			l := &live{w: &out, size: func() (int, int) { return 200, 20 }}
			l.show(progress.Event{Time: time.Unix(1, 0), Kind: progress.StepStarted, Stage: name, Step: 1, Steps: 2, Text: name})
			e.Stage = name
			l.show(e)
			l.draw(time.Unix(2, 0))
			checkPrinted(t, "live, "+string(kind), strings.ReplaceAll(out.String(), "\r\x1b[J", ""))
		}
	}
}
