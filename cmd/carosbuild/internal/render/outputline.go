// SPDX-License-Identifier: MPL-2.0

package render

import (
	"time"

	"github.com/carosio/carosbuild/pkg/progress"
)

// outputLine is the line of an event that has nothing but the output of a command in it, as
// WriteEvent has it. Ok is false for other events, and where something has to be escaped. A
// command may print a million lines, and the general way takes ten times as long.
func outputLine(e progress.Event) (line []byte, ok bool) {
	if e.Kind != progress.StepOutput || !isPlainText(e.Stage) || !isPlainText(e.Text) || e.Stage == "" || e.Text == "" ||
		e != (progress.Event{Time: e.Time, Kind: e.Kind, Stage: e.Stage, Text: e.Text}) {
		return nil, false
	}
	if y := e.Time.Year(); y < 1 || y > 9999 {
		return nil, false
	}
	line = append(make([]byte, 0, 100+len(e.Stage)+len(e.Text)), `{"time":"`...)
	line = e.Time.AppendFormat(line, time.RFC3339Nano)
	line = append(append(line, `","kind":"step-output","stage":"`...), e.Stage...)
	line = append(append(line, `","text":"`...), e.Text...)
	return append(line, "\"}\n"...), true
}

// isPlainText reports whether a text stands in a JSON string as it is.
func isPlainText(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x20, c > 0x7e, c == '"', c == '\\', c == '<', c == '>', c == '&', c == '#':
			return false
		}
	}
	return true
}
