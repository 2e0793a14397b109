// SPDX-License-Identifier: MPL-2.0

package wks

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/decl"
	"github.com/carosio/carosbuild/pkg/decl/finding"
	"github.com/carosio/carosbuild/pkg/decl/xmltext"
	"github.com/carosio/carosbuild/pkg/lazyregexp"
)

// word is a word of a line, without quotes.
type word struct {
	text string
	at   finding.Span
}

// line is a command with its words.
type line struct {
	words []word
	at    finding.Span // of the whole line
	open  bool         // a variable has no value
}

var variable = lazyregexp.New(`\$\{[^{}@\n\t :]+\}`)

// Bounds of a line whose variables contain others.
const (
	maxLine       = 4 << 10 // text as written
	maxExpanded   = 16 << 10
	maxExpansions = 100
	maxLines      = 10_000
)

// expand replaces the variables in a line by their values, as bitbake would.
// unknown are those that have no value. It is not ok if the expansion does not end.
func expand(s string, vars map[string]string) (out string, unknown []string, ok bool) {
	from := 0
	for range maxExpansions {
		m := variable().FindStringIndex(s[from:])
		if m == nil {
			return s, unknown, true
		}
		if len(s) > maxExpanded {
			break
		}
		start, end := from+m[0], from+m[1]
		name := s[start+2 : end-1]
		v, ok := vars[name]
		if !ok {
			unknown = append(unknown, name)
			from = end
			continue
		}
		s = s[:start] + v + s[end:]
	}
	return s, unknown, false
}

var errQuote = errors.New("a quote is not closed")

// split splits a line into words as a shell would, without expanding anything; at
// returns the place of a part of the line.
func split(s string, at func(from, to int) finding.Span) ([]word, error) {
	var out []word
	var b strings.Builder
	open, start := false, 0
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\' && quote != '\'':
			if i+1 == len(s) {
				return nil, errors.New("a backslash at the end of the line: wic does not continue lines")
			}
			if quote == '"' && s[i+1] != '"' && s[i+1] != '\\' {
				b.WriteByte('\\')
			}
			i++
			b.WriteByte(s[i])
		case quote != 0 && c == quote:
			quote = 0
			continue
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == 0 && (c == ' ' || c == '\t' || c == '\r'):
			if open {
				out = append(out, word{b.String(), at(start, i)})
				b.Reset()
			}
			open = false
			continue
		default:
			b.WriteByte(c)
		}
		if !open {
			open, start = true, i
			if c == '\\' {
				start--
			}
		}
	}
	if quote != 0 {
		return nil, errQuote
	}
	if open {
		out = append(out, word{b.String(), at(start, len(s))})
	}
	return out, nil
}

// lines calls f for each line of a file that is not empty or a comment.
func (r *reader) lines(src decl.Source, f func(line)) {
	n := 0
	for raw := range strings.Lines(string(src.Data)) {
		n++
		text := strings.TrimRight(raw, "\r\n")
		if len(text) > maxLine {
			r.Fail(finding.Span{File: src.Name, Line: n, Col: 1, Len: 1}, "", "a line of more than %d characters", maxLine)
			return
		}
		trimmed := strings.TrimSpace(text)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		col := utf8.RuneCountInString(text[:strings.Index(text, trimmed)]) + 1
		whole := finding.Span{File: src.Name, Line: n, Col: col, Len: max(utf8.RuneCountInString(trimmed), 1)}
		expanded, unknown, ok := expand(trimmed, r.Vars)
		if !ok || n > maxLines {
			r.Fail(whole, "", "too many variables or lines")
			return
		}
		for _, name := range unknown {
			r.Fail(wordAt(whole, trimmed, "${"+name+"}"), "--set "+name+"=VALUE gives it one", "variable %s has no value", finding.Quote(name))
		}
		at := func(from, to int) finding.Span {
			if part := expanded[from:to]; strings.Count(trimmed, part) == 1 {
				return wordAt(whole, trimmed, part)
			}
			return whole
		}
		if expanded == trimmed {
			at = func(from, to int) finding.Span {
				s := whole
				s.Col, s.Len = whole.Col+utf8.RuneCountInString(trimmed[:from]), max(utf8.RuneCountInString(trimmed[from:to]), 1)
				return s
			}
		}
		words, err := split(expanded, at)
		if err != nil {
			r.Fail(whole, "", "%v", err)
			continue
		}
		for _, w := range words {
			if !xmltext.PlainText(w.text) {
				r.Fail(w.at, "", "%s has a control character", finding.Quote(w.text))
				return
			}
		}
		if len(words) > 0 {
			f(line{words, whole, len(unknown) > 0})
		}
	}
}

// wordAt returns the place of a part of the line.
func wordAt(whole finding.Span, text, part string) finding.Span {
	i := strings.Index(text, part)
	if i < 0 {
		return whole
	}
	whole.Col += utf8.RuneCountInString(text[:i])
	whole.Len = utf8.RuneCountInString(part)
	return whole
}
