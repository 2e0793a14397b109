// SPDX-License-Identifier: MPL-2.0

package render

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/plan"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/remedy"
)

// NoteWriter makes a note of each line.
type NoteWriter struct {
	To   io.Writer
	mu   sync.Mutex
	rest []byte
}

// Write implements io.Writer.
func (w *NoteWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rest = append(w.rest, p...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		if len(line) > 0 {
			WriteEvent(w.To, Event{Event: progress.Event{Time: time.Now(), Kind: progress.Note, Text: string(line)}})
		}
		w.rest = rest
	}
}

// At says what an event is about.
func (e *Event) At(s finding.Span) { e.File, e.Line, e.Column = s.File, s.Line, s.Col }

// StepEvent is a failed step.
func StepEvent(s *plan.StepError) Event {
	e := Event{Event: progress.Event{Kind: ErrorEvent, Stage: s.Stage}, Log: s.Log, Image: s.Image, Pushed: s.Pushed, Tail: s.Tail}
	e.At(s.Span)
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
		e.Hint = strings.Join(RemediesOf(s.Err), "; ")
	}
	return e
}
