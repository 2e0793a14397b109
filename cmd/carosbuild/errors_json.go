// SPDX-License-Identifier: MPL-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
	"github.com/carosio/carosbuild/pkg/userns"
)

func (a *app) asJSON() bool { return a.progress == "json" }

// divert makes what is printed for a person events too, where all of standard
// error is to be events.
func (a *app) divert() {
	if a.asJSON() && a.rawStderr == nil {
		a.rawStderr = a.stderr
		a.stderr = &noteWriter{to: a.rawStderr}
	}
}

// events is where events go.
func (a *app) events() io.Writer {
	if a.rawStderr != nil {
		return a.rawStderr
	}
	return a.stderr
}

func (a *app) event(e jsonEvent) {
	e.Time = time.Now()
	writeEvent(a.events(), e)
}

// noteWriter makes a note of each line.
type noteWriter struct {
	to   io.Writer
	mu   sync.Mutex
	rest []byte
}

// Write implements io.Writer.
func (w *noteWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if len(line) > 0 {
			writeEvent(w.to, jsonEvent{Event: progress.Event{Time: time.Now(), Kind: progress.Note, Text: string(line)}})
		}
		w.rest = rest
	}
}

// reportEnd is the last event: of the program that was called, not of the one
// inside the namespaces.
func (a *app) reportEnd(status int) {
	if a.asJSON() && !userns.Inside(a.getenv) {
		a.event(jsonEvent{Event: progress.Event{Kind: endEvent, Seconds: time.Since(a.began).Seconds()}, Exit: &status})
	}
}

// reportJSON makes events of an error and returns the exit status.
func (a *app) reportJSON(err error) int {
	status := a.status(err)
	var (
		d    *decl.FindingsError
		step *plan.StepError
	)
	switch {
	case errors.As(err, &d):
		a.findingEvents(d.Findings)
	case errors.As(err, &step):
		a.event(stepEvent(step))
		for _, e := range besides(err, step) {
			a.event(jsonEvent{Event: progress.Event{Kind: errorEvent, Text: e.Error()}})
		}
	default:
		text, hint, _ := strings.Cut(err.Error(), "remedy:")
		if all := remediesOf(err); hint == "" {
			hint = strings.Join(all, "; ")
		}
		a.event(jsonEvent{Event: progress.Event{Kind: errorEvent, Text: strings.TrimSpace(text)}, Hint: strings.TrimSpace(hint)})
	}
	return status
}

func (a *app) findingEvents(all decl.Findings) {
	for _, f := range all {
		e := jsonEvent{Event: progress.Event{Kind: errorEvent, Text: f.Summary}, Hint: f.Hint, Warning: f.Severity == decl.Warning}
		e.at(f.Span)
		a.event(e)
	}
}

func (e *jsonEvent) at(s decl.Span) { e.File, e.Line, e.Column = s.File, s.Line, s.Col }

// stepEvent is a failed step.
func stepEvent(s *plan.StepError) jsonEvent {
	e := jsonEvent{Event: progress.Event{Kind: errorEvent, Stage: s.Stage}, Log: s.Log, Image: s.Image, Tail: s.Tail}
	e.at(s.Span)
	what := fmt.Sprintf("exit status %d", s.Status)
	if s.Err != nil {
		what, _, _ = strings.Cut(s.Err.Error(), "\n  remedy:")
	}
	e.Text = s.Kind + " failed: " + what
	var host *remedy.Error
	switch {
	case errors.As(s.Err, &host):
		e.Hint = host.Cure
	default:
		e.Hint = strings.Join(remediesOf(s.Err), "; ")
	}
	return e
}
