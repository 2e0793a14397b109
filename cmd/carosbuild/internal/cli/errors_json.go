// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/carosio/carosbuild/cmd/carosbuild/internal/render"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/userns"
)

// AsJSON reports whether all output on standard error has to be events.
func (a *App) AsJSON() bool { return a.Progress == "json" }

// Divert turns messages for people into events, too, if all output on standard
// error has to be events.
func (a *App) Divert() {
	if a.AsJSON() && a.rawStderr == nil {
		a.rawStderr = a.Stderr
		a.Stderr = &render.NoteWriter{To: a.rawStderr}
	}
}

// events is where events are written.
func (a *App) events() io.Writer {
	if a.rawStderr != nil {
		return a.rawStderr
	}
	return a.Stderr
}

// Event writes an event with the current time.
func (a *App) Event(e render.Event) {
	e.Time = time.Now()
	render.WriteEvent(a.events(), e)
}

// ReportEnd writes the last event. The program that the user called writes it, not
// the one inside the namespaces.
func (a *App) ReportEnd(status int) {
	if a.AsJSON() && !userns.Inside(a.Getenv) {
		a.Event(render.Event{Event: progress.Event{Kind: render.EndEvent, Seconds: time.Since(a.Began).Seconds()}, Exit: &status})
	}
}

// reportJSON writes the events for an error and returns the exit status.
func (a *App) reportJSON(err error) int {
	for _, e := range errorEvents(err) {
		a.Event(e)
	}
	return a.status(err)
}

// LastEvents are the last events of what ended with err: those of the error, and the end.
func (a *App) LastEvents(ctx context.Context, err error, took time.Duration) []render.Event {
	var all []render.Event
	status := 0
	switch {
	case ctx.Err() != nil:
		all = append(all, render.Event{Event: progress.Event{Kind: render.ErrorEvent, Text: "interrupted"}})
		if status = ExitInterrupted; errors.Is(context.Cause(ctx), ErrNotRead) {
			status = ExitNotRead
		}
	case err != nil:
		all, status = errorEvents(err), a.status(err)
	}
	all = append(all, render.Event{Event: progress.Event{Kind: render.EndEvent, Seconds: took.Seconds()}, Exit: &status})
	for i := range all {
		all[i].Time = time.Now()
	}
	return all
}

// errorEvents are the events of an error.
func errorEvents(err error) []render.Event {
	var (
		d    *finding.ListError
		step *plan.StepError
	)
	switch {
	case errors.As(err, &d):
		return findingEvents(d.Findings)
	case errors.As(err, &step):
		all := []render.Event{render.StepEvent(step)}
		for _, e := range render.Besides(err, step) {
			all = append(all, render.Event{Event: progress.Event{Kind: render.ErrorEvent, Text: e.Error()}})
		}
		return all
	}
	text, hint, _ := strings.Cut(err.Error(), "remedy:")
	if all := render.RemediesOf(err); hint == "" {
		hint = strings.Join(all, "; ")
	}
	return []render.Event{{Event: progress.Event{Kind: render.ErrorEvent, Text: strings.TrimSpace(text)}, Hint: strings.TrimSpace(hint)}}
}

func findingEvents(all finding.Findings) []render.Event {
	var out []render.Event
	for _, f := range all {
		e := render.Event{Event: progress.Event{Kind: render.ErrorEvent, Text: f.Summary}, Hint: f.Hint, Warning: f.Severity == finding.Warning}
		e.At(f.Span)
		out = append(out, e)
	}
	return out
}
