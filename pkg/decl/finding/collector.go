// SPDX-License-Identifier: MPL-2.0

package finding

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Collector collects findings about the files that a declaration is made from.
// Findings beyond a bound are dropped, and an error says so.
type Collector struct{ All Findings }

// Fail notes a mistake: the declaration must not be built.
func (c *Collector) Fail(at Span, hint, format string, args ...any) *Finding {
	return c.Add(Error, at, hint, fmt.Sprintf(format, args...))
}

// Warn notes something that is left out, or looks wrong.
func (c *Collector) Warn(at Span, hint, format string, args ...any) *Finding {
	return c.Add(Warning, at, hint, fmt.Sprintf(format, args...))
}

// Full reports whether further findings will be dropped, so that callers need not
// make them.
func (c *Collector) Full() bool { return len(c.All) >= Max }

// Add notes a finding, and returns it so that notes can be added to it. The pointer
// is valid until the next call.
func (c *Collector) Add(s Severity, at Span, hint, summary string) *Finding {
	switch {
	case len(c.All) == Max:
		c.All = append(c.All, TooMany(at))
		return &Finding{}
	case len(c.All) > Max:
		return &Finding{}
	}
	c.All = append(c.All, Finding{Severity: s, Span: at, Summary: summary, Hint: hint})
	return &c.All[len(c.All)-1]
}

// TooMany stands for findings that were dropped. It is an Error even if all other
// findings are warnings, since a dropped one may have been an error.
func TooMany(at Span) Finding { return Finding{Span: at, Summary: tooMany} }

// Quote puts quotes around a word of a file, and shortens it if it is very long.
func Quote(s string) string {
	const most = 100
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return `"` + strings.ToValidUTF8(s, "\uFFFD") + `"`
}

// QuoteValue is Quote for a value: it shortens earlier, and escapes what could act
// on a terminal.
func QuoteValue(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return `"` + Escape(s) + `"`
}
