// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package terminal says which characters of a foreign text are not for a
// terminal.
package terminal

// Acts reports whether a character could do more to a terminal than appear on
// it: controls, and what ends a line or changes the direction of writing. A tab
// is one of them.
func Acts(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}
