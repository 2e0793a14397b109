// SPDX-License-Identifier: MPL-2.0

package finding

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// maxShown is how many characters of a source line are shown; a longer line is
// shortened around the marked part.
const maxShown = 120

// Render writes the findings in the form of a compiler:
//
//	caros.xml:17:12: error: layer "meta-caros" names remote "carosioo", which no <remote> declares
//	   17 |			remote="carosioo" />
//	      |			        ^^^^^^^^ did you mean "carosio"?
//	caros.xml:6:3: note: remotes are declared here
//
// text is the content of a file by its name; without it, its lines are not quoted. Characters
// that could steer a terminal are escaped. color adds ANSI colours.
func (fs Findings) Render(w io.Writer, text func(file string) ([]byte, bool), color bool) error {
	var out bytes.Buffer
	paint := painter(color)
	for _, f := range fs {
		word := paint(red, f.Severity.String())
		if f.Severity == Warning {
			word = paint(yellow, f.Severity.String())
		}
		fmt.Fprintf(&out, "%s %s: %s\n", paint(bold, position(f.Span)), word, Escape(f.Summary))
		quoteSource(&out, f, text, paint)
		for _, n := range f.Notes {
			fmt.Fprintf(&out, "%s %s: %s\n", paint(bold, position(n.Span)), paint(cyan, "note"), Escape(n.Text))
		}
	}
	if _, err := w.Write(out.Bytes()); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return nil
}

// SGR parameters of ECMA-48.
const (
	bold   = "1"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	cyan   = "1;36"
)

func painter(color bool) func(sgr, s string) string {
	return func(sgr, s string) string {
		if !color || s == "" {
			return s
		}
		return "\x1b[" + sgr + "m" + s + "\x1b[0m"
	}
}

func position(s Span) string {
	return fmt.Sprintf("%s:%d:%d:", Escape(s.File), s.Line, s.Col)
}

// quoteSource writes the source line, and below it the marker and the hint.
func quoteSource(out *bytes.Buffer, f Finding, text func(file string) ([]byte, bool), paint func(sgr, s string) string) {
	number := fmt.Sprintf("%5d", f.Span.Line)
	indent := strings.Repeat(" ", len(number))
	data, ok := text(f.Span.File)
	line, found := sourceLine(f.Span, data)
	if !ok || !found {
		if f.Hint != "" {
			fmt.Fprintf(out, "%s = %s\n", indent, paint(green, Escape(f.Hint)))
		}
		return
	}
	shown, blank, marker := underline(line, f.Span)
	fmt.Fprintf(out, "%s |%s\n%s |%s%s", number, shown, indent, blank, paint(green, marker))
	if f.Hint != "" {
		fmt.Fprintf(out, " %s", paint(green, Escape(f.Hint)))
	}
	out.WriteByte('\n')
}

// sourceLine is the line of a file that a span is in.
func sourceLine(s Span, data []byte) ([]byte, bool) {
	for n := 1; n < s.Line; n++ {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return nil, false
		}
		data = data[i+1:]
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), true
}

// underline returns a line as it is shown, the blanks that go before the marker so
// that the two are aligned whatever the width of a tab, and the marker.
func underline(line []byte, s Span) (text, blank, marker string) {
	first, last := s.Col-1, s.Col-1+s.Len // in characters
	start := 0
	if first > maxShown/2 {
		start = first - maxShown/2
	}
	cells, more := cut(line, start, maxShown)
	if start > 0 && !more && len(cells) < maxShown {
		// The end of the line is near: show more of the text before it.
		start = max(0, start-(maxShown-len(cells)))
		cells, more = cut(line, start, maxShown)
	}
	var t, b, m strings.Builder
	if start > 0 {
		t.WriteString("...")
		b.WriteString("   ")
	}
	for i, c := range cells {
		t.WriteString(c.text)
		switch n := start + i; {
		case n < first:
			b.WriteString(c.under(" "))
		case n < last:
			m.WriteString(c.under("^"))
		}
	}
	if more {
		t.WriteString("...")
	}
	if strings.Trim(m.String(), "\t") == "" {
		return t.String(), b.String(), "^" // at the end of the line, or on something without width
	}
	return t.String(), b.String(), m.String()
}
