// SPDX-License-Identifier: MPL-2.0

package xmltext

import (
	"fmt"
	"strings"
	"unicode"
)

// EscapeText escapes text that a program writes between the tags of a declaration.
// Characters that steer a terminal or change the direction of writing become
// references; those that XML cannot contain become the replacement character.
func EscapeText(s string) string { return escaped(s, "") }

// EscapeAttr is EscapeText for a value between double quotes.
func EscapeAttr(s string) string { return escaped(s, "\"\t\n\r") }

func escaped(s, more string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"' && more != "":
			b.WriteString("&quot;")
		case strings.ContainsRune(more, r), !plainRune(r) && r >= ' ' && r != 0xFFFE && r != 0xFFFF:
			fmt.Fprintf(&b, "&#x%X;", r)
		case !plainRune(r):
			b.WriteRune(unicode.ReplacementChar)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// PlainText reports whether text can be in a declaration as it is, for instance in
// a CDATA section.
func PlainText(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !plainRune(r) }) < 0
}

func plainRune(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) && r != 0xFFFE && r != 0xFFFF
}

// EscapeComment makes text fit for one line of a comment, so that it does not end
// the comment.
func EscapeComment(s string) string {
	var b strings.Builder
	last := ' '
	for _, r := range s {
		if !plainRune(r) || r < ' ' {
			r = ' '
		}
		if r == '-' && last == '-' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
		last = r
	}
	return strings.TrimRight(b.String(), "-")
}
