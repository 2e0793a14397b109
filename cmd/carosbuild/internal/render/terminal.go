// SPDX-License-Identifier: MPL-2.0

package render

import (
	"os"

	"golang.org/x/term"
)

// TerminalSize is the size of the terminal that f is, 80 by 24 for another file.
func TerminalSize(f *os.File) func() (int, int) {
	return func() (int, int) {
		if f != nil {
			if w, h, err := term.GetSize(int(f.Fd())); err == nil && w > 0 && h > 0 {
				return w, h
			}
		}
		return 80, 24
	}
}
