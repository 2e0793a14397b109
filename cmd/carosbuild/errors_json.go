// SPDX-License-Identifier: MPL-2.0

package main

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
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
