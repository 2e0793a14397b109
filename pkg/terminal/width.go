// SPDX-License-Identifier: MPL-2.0

package terminal

import (
	"strings"
	"unicode"
)

// wide are the characters that take two columns: those of East Asian scripts,
// and pictures (Unicode, EastAsianWidth.txt, in rough ranges).
var wide = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x1100, Hi: 0x115f, Stride: 1},
		{Lo: 0x2e80, Hi: 0x303e, Stride: 1},
		{Lo: 0x3041, Hi: 0xa4cf, Stride: 1},
		{Lo: 0xa960, Hi: 0xa97c, Stride: 1},
		{Lo: 0xac00, Hi: 0xd7a3, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
		{Lo: 0xfe30, Hi: 0xfe6f, Stride: 1},
		{Lo: 0xff01, Hi: 0xff60, Stride: 1},
		{Lo: 0xffe0, Hi: 0xffe6, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1f300, Hi: 0x1f64f, Stride: 1},
		{Lo: 0x1f680, Hi: 0x1f6ff, Stride: 1},
		{Lo: 0x1f900, Hi: 0x1f9ff, Stride: 1},
		{Lo: 0x20000, Hi: 0x3fffd, Stride: 1},
	},
}

// columns is how many columns a character takes, 0 to 2.
func columns(r rune) int {
	switch {
	case r < 0x300: // most are
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case unicode.Is(wide, r):
		return 2
	}
	return 1
}

// Width is how many columns a text takes. Escape sequences that set colours
// take none.
func Width(s string) int {
	n, escape := 0, false
	for _, r := range s {
		n += step(r, &escape)
	}
	return n
}

// step is the width of the next character of a text.
func step(r rune, escape *bool) int {
	switch {
	case r == '\x1b':
		*escape = true
	case *escape:
		*escape = r != 'm'
	default:
		return columns(r)
	}
	return 0
}

// Cut is a text in at most width columns: one that has more ends with an
// ellipsis. Escape sequences that set colours are kept, those behind the cut too.
func Cut(s string, width int) string {
	if Width(s) <= width {
		return s
	}
	var b strings.Builder
	n, escape, cut := 0, false, width < 1
	for _, r := range s {
		inside := escape || r == '\x1b'
		n += step(r, &escape)
		switch {
		case inside:
			b.WriteRune(r)
		case !cut && n < width:
			b.WriteRune(r)
		case !cut:
			b.WriteRune('…')
			cut = true
		}
	}
	return b.String()
}
