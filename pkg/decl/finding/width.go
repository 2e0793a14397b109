// SPDX-License-Identifier: MPL-2.0

package finding

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/carosio/carosbuild/pkg/terminal"
)

// cell is one character of a line as it is shown.
type cell struct {
	text  string
	width int // columns; -1 is a tab, whose width only the terminal knows
}

// under returns s repeated to the width of a cell, to stand below it.
func (c cell) under(s string) string {
	if c.width < 0 {
		return "\t"
	}
	return strings.Repeat(s, c.width)
}

// cut returns at most n characters of a line, beginning with character start, and
// whether more follow.
func cut(line []byte, start, n int) (cells []cell, more bool) {
	for i := 0; len(line) > 0; i++ {
		r, size := utf8.DecodeRune(line)
		if i >= start+n {
			return cells, true
		}
		if i >= start {
			cells = append(cells, newCell(line[:size], r))
		}
		line = line[size:]
	}
	return cells, false
}

func newCell(raw []byte, r rune) cell {
	switch {
	case r == '\t':
		return cell{"\t", -1}
	case r == utf8.RuneError && len(raw) == 1:
		return cell{fmt.Sprintf(`\x%02x`, raw[0]), 4}
	case terminal.Acts(r):
		s := escapeRune(r)
		return cell{s, len(s)}
	case unicode.In(r, unicode.Mn, unicode.Me):
		return cell{string(r), 0}
	case wide(r):
		return cell{string(r), 2}
	}
	return cell{string(r), 1}
}

func escapeRune(r rune) string {
	switch {
	case r == '\n':
		return `\n`
	case r == '\r':
		return `\r`
	case r == '\t':
		return `\t`
	case r < 0x100:
		return fmt.Sprintf(`\x%02x`, r)
	case r < 0x10000:
		return fmt.Sprintf(`\u%04x`, r)
	}
	return fmt.Sprintf(`\U%08x`, r)
}

// Escape makes a text fit for one line of a terminal and of a CI service's log.
func Escape(s string) string {
	clean := utf8.ValidString(s) && strings.IndexFunc(s, terminal.Acts) < 0
	if clean {
		return terminal.Defuse(s)
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case terminal.Acts(r):
			b.WriteString(escapeRune(r))
		default:
			b.WriteRune(r)
		}
	}
	return terminal.Defuse(b.String())
}

// wide reports whether a character takes two columns in a terminal: the blocks of
// Unicode's EastAsianWidth.txt that are W or F throughout, and the emoji.
func wide(r rune) bool {
	if r < 0x1100 {
		return false
	}
	switch {
	case r <= 0x115F, // Hangul Jamo
		r == 0x231A, r == 0x231B, r == 0x2329, r == 0x232A,
		r >= 0x23E9 && r <= 0x23EC, r == 0x23F0, r == 0x23F3,
		r == 0x2614, r == 0x2615, r >= 0x2648 && r <= 0x2653,
		r == 0x26A1, r == 0x26BD, r == 0x26BE, r == 0x26D4, r == 0x2705,
		r == 0x274C, r == 0x274E, r >= 0x2753 && r <= 0x2755, r == 0x2757,
		r == 0x2B1B, r == 0x2B1C, r == 0x2B50, r == 0x2B55,
		r >= 0x2E80 && r <= 0x303E,                             // CJK radicals and punctuation
		r >= 0x3041 && r <= 0x33FF,                             // kana, Hangul compatibility, CJK symbols
		r >= 0x3400 && r <= 0x4DBF, r >= 0x4E00 && r <= 0x9FFF, // ideographs
		r >= 0xA000 && r <= 0xA4CF, r >= 0xA960 && r <= 0xA97F,
		r >= 0xAC00 && r <= 0xD7A3, // Hangul syllables
		r >= 0xF900 && r <= 0xFAFF, r >= 0xFE10 && r <= 0xFE19, r >= 0xFE30 && r <= 0xFE6F,
		r >= 0xFF00 && r <= 0xFF60, r >= 0xFFE0 && r <= 0xFFE6, // full width forms
		r >= 0x16FE0 && r <= 0x18AFF, r >= 0x1B000 && r <= 0x1B2FF,
		r >= 0x1F300 && r <= 0x1F64F, r >= 0x1F680 && r <= 0x1F6FF, r >= 0x1F900 && r <= 0x1FAFF,
		r >= 0x20000 && r <= 0x3FFFD:
		return true
	}
	return false
}
