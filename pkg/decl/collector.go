// SPDX-License-Identifier: MPL-2.0

package decl

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Collector collects findings about files that a declaration is made from. Those
// beyond a bound are dropped, and an error says so.
type Collector struct{ All Findings }

// Fail notes what must not be built.
func (c *Collector) Fail(at Span, hint, format string, args ...any) *Finding {
	return c.add(Error, at, hint, format, args)
}

// Warn notes what is left out, or looks wrong.
func (c *Collector) Warn(at Span, hint, format string, args ...any) *Finding {
	return c.add(Warning, at, hint, format, args)
}

// full reports whether further findings will be dropped, so that callers can
// spare themselves the work of making them.
func (c *Collector) full() bool { return len(c.All) >= maxFindings }

func (c *Collector) add(s Severity, at Span, hint, format string, args []any) *Finding {
	switch {
	case len(c.All) == maxFindings:
		c.All = append(c.All, Finding{Span: at, Summary: tooMany})
		return &Finding{}
	case len(c.All) > maxFindings:
		return &Finding{}
	}
	c.All = append(c.All, Finding{Severity: s, Span: at, Summary: fmt.Sprintf(format, args...), Hint: hint})
	return &c.All[len(c.All)-1]
}

// Quote puts a word of a file into a message, shortened when it is very long.
func Quote(s string) string {
	const most = 100
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "..."
	}
	return `"` + strings.ToValidUTF8(s, "\uFFFD") + `"`
}
