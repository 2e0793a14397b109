// SPDX-License-Identifier: MPL-2.0

package terminal

import (
	"strings"
	"unicode"
)

// Excerpt is a foreign text as a part of a message: one line with single
// blanks, of at most 200 characters. What cannot be printed becomes U+FFFD.
func Excerpt(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	const most = 200
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
