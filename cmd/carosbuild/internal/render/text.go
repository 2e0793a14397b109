// SPDX-License-Identifier: MPL-2.0

package render

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// OneLine is a command as one printable line.
func OneLine(s string) string {
	var out []rune
	space := false
	for _, r := range Printable(foldSpace(s)) {
		if r == ' ' && space {
			continue
		}
		space = r == ' '
		out = append(out, r)
	}
	return string(out)
}

func foldSpace(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c == '\n' || c == '\t' || c == '\r' {
			b[i] = ' '
		}
	}
	return string(b)
}

// WriteJSON writes a value for people and programs to read.
func WriteJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Printable is a foreign text as one line.
func Printable(s string) string { return terminal.Line(s) }

// OrDash is a cell of a table that may be empty.
func OrDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// IsTerminal reports whether a person reads what is written.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Age says how long ago something was, in one unit.
func Age(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{365 * Day, "year"}, {30 * Day, "month"}, {7 * Day, "week"}, {Day, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		switch n := d / u.unit; {
		case n == 1:
			return "1 " + u.name + " ago"
		case n > 1:
			return fmt.Sprintf("%d %ss ago", n, u.name)
		}
	}
	return "just now"
}

// Day is a day.
const Day = 24 * time.Hour
