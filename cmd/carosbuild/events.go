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
)

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
