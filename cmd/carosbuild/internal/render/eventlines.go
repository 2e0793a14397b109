// SPDX-License-Identifier: MPL-2.0

package render

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/carosio/carosbuild/pkg/bytesize"
	"github.com/carosio/carosbuild/pkg/progress"
	"github.com/carosio/carosbuild/pkg/terminal"
)

// EventLines prints events that were kept as JSON, as lines of a log.
type EventLines struct {
	w     *failing
	plain Display
}

// failing remembers the first error of a writer.
type failing struct {
	io.Writer
	err error
}

func (w *failing) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// NewEventLines prints to w.
func NewEventLines(w io.Writer) *EventLines {
	f := &failing{Writer: w}
	return &EventLines{f, NewPlain(f)}
}

// Show prints an event of those that come before the build's end.
func (l *EventLines) Show(e progress.Event) error {
	e.Time = e.Time.Local()
	l.plain.Show(e)
	return l.w.err
}

// Print prints an event; what is none is left out.
func (l *EventLines) Print(line []byte) error {
	var e Event
	if json.Unmarshal(line, &e) != nil {
		return nil
	}
	e.Time = e.Time.Local()
	l.plain.Show(e.Event)
	if text := lastLine(&e); text != "" {
		fmt.Fprintln(l.w, e.Time.Format(time.TimeOnly), tagOf(Printable(e.Stage))+text)
	}
	return l.w.err
}

// lastLine is the line about an event of those that come when the stages are done, or "".
func lastLine(e *Event) string {
	switch {
	case e.Kind == ImageEvent:
		return "stored as " + OneLine(e.Text)
	case e.Kind == OutputEvent:
		return fmt.Sprintf("wrote %s: %s on disk", Printable(e.File), bytesize.Format(e.OnDisk))
	case e.Kind == ErrorEvent:
		text := map[bool]string{true: "warning: ", false: "error: "}[e.Warning] + OneLine(e.Text)
		if e.Hint != "" {
			text += "; remedy: " + OneLine(e.Hint)
		}
		return text
	case e.Kind == EndEvent && e.Exit != nil:
		return fmt.Sprintf("build ended with exit status %d after %s", *e.Exit, seconds(e.Seconds))
	}
	return ""
}

// LogFile prints the log of a stage, line by line. A log that does not exist has no lines.
func LogFile(ctx context.Context, w io.Writer, file, stage string) error {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	tag := tagOf(Printable(stage))
	for r := bufio.NewReaderSize(f, 64<<10); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := r.ReadSlice('\n') // a longer one is broken
		if len(line) > 0 {
			text := terminal.Line(string(bytes.TrimRight(line, "\r\n")))
			if _, err := fmt.Fprintln(w, tag+text); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}
