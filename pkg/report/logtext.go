// SPDX-License-Identifier: MPL-2.0

package report

import "strings"

// logText is what a command has printed, as a page shows it: without the sequences that set
// colours, of lines that were written over the last state, and harmless.
func logText(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	for i, l := range lines {
		l = strings.TrimRight(l, "\r")
		if k := strings.LastIndexByte(l, '\r'); k >= 0 {
			l = l[k+1:]
		}
		lines[i] = clean(withoutColours(l))
	}
	return strings.Join(lines, "\n")
}

// withoutColours removes control sequences (ECMA-48, section 5.4).
func withoutColours(s string) string {
	const start = "\x1b["
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, start)
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		n := strings.IndexFunc(rest, func(r rune) bool { return r < 0x20 || r > 0x3f })
		if n < 0 || rest[n] < 0x40 || rest[n] > 0x7e { // it has no end
			b.WriteString(start)
			s = rest
			continue
		}
		s = rest[n+1:]
	}
}
